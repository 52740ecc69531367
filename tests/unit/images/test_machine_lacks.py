"""What this machine lacks, by the output of Apptainer 1.4.5 where it was so."""

from __future__ import annotations

import pytest

from dispatcher.host.programs import Finished
from dispatcher.images.machine_lacks import machine_lacks

STARTS = "\x1b[34mINFO:   \x1b[0m Starting build...\nINFO:    Extracting local image...\n"


def told(output: str) -> str | None:
    return machine_lacks(Finished(255, "", output))


@pytest.mark.parametrize(
    ("output", "way_out"),
    [
        (
            "\x1b[31mFATAL:  \x1b[0m newuidmap was not found in PATH (/usr/bin:/bin), required "
            "with fakeroot and unprivileged installation when user is in /etc/subuid\n",
            "the package uidmap",
        ),
        (
            "FATAL:   could not use fakeroot: no mapping entry found in /etc/subgid for user\n",
            "usermod --add-subuids",
        ),
        (
            STARTS + "ERROR:   unpackSIF failed: root filesystem extraction failed: extract "
            "command failed: WARNING: Skipping mount /etc/hosts [binds]\n"
            "set_attributes: failed to change uid and gids on /image/rootfs/etc/gshadow, because "
            "Invalid argument\n: exit status 2\nFATAL:   While performing build: packer failed\n",
            "usermod --add-subuids",
        ),
        (
            "INFO:    Fetching OCI image...\nFATAL:   While performing build: conveyor failed to "
            'get: Get "https://index.docker.io/v2/": dial tcp: lookup index.docker.io on '
            "10.0.0.1:53: no such host\n",
            "build on a local image with --base",
        ),
        (
            "\x1b[91mERROR  : Requesting capability set 0x000001ffffffffff while permitted "
            "capability set is 0x000001fffeffffff\n\x1b[0m",
            "do this as an ordinary user",
        ),
        (
            "ERROR  : Could not write info to setgroups: Permission denied\nERROR  : Error while "
            "waiting event for user namespace mappings: no event received\n",
            "user namespaces are off on this machine",
        ),
    ],
)
def test_what_is_lacking_is_told_with_the_way_out(output: str, way_out: str) -> None:
    assert way_out in str(told(output))


def test_what_a_script_prints_says_nothing_of_the_machine() -> None:
    post = "INFO:    Running post scriptlet\n+ curl example.org\ncurl: (7) Connection refused\n"
    failed = "FATAL:   While performing build: while running engine: exit status 7\n"

    assert told(STARTS + post + failed) is None
    assert told("open /dev/fuse: no such file\n") is None, "an image's own test"

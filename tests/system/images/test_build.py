"""``relion-dispatch images build``, with real Apptainer and small real images."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from ...waiting import wait_for
from .image_site import (
    Site,
    apptainer,
    definition,
    pack,
    refused,
)


def own_sleep() -> str:
    """A command that sleeps, and is known by its number among all processes of this machine."""
    return f"sleep 97.{secrets.randbelow(10**9):09}"


def processes(command: str) -> list[int]:
    """This user's processes with this command line, in containers too."""
    listed = subprocess.run(["ps", "xww", "-o", "pid=,args="], capture_output=True, text=True)
    rows = [line.split(maxsplit=1) for line in listed.stdout.splitlines()]
    return [int(pid) for pid, words in rows if words == command]


def end(command: str) -> None:
    """End them."""
    for pid in processes(command):
        os.kill(pid, signal.SIGTERM)


def test_an_image_is_built_tested_and_added(site: Site) -> None:
    """Whatever its builder's environment would add to containers."""
    site.environment |= {"APPTAINER_BINDPATH": "/apps/other_site", "APPTAINER_MOUNT": "x"}
    site.recipe(definition(), word="first")

    done = site.build("--build-arg", "word=second")

    assert done.returncode == 0, done.stderr
    image = site.folder / "images" / f"relion-{site.version}-small.sif"
    assert site.entry()["path"] == str(image.relative_to(site.folder))
    assert site.entry()["programs"] == ["mpirun", "relion_refine"]
    assert site.entry()["mtime"] == image.stat().st_mtime_ns
    assert apptainer("--quiet", "exec", image, "cat", "/word").stdout == "the word is second\n"
    # The build's output was shown as it came; nothing but the image is left of it.
    assert "Running post scriptlet" in done.stderr
    assert site.files() == {
        str(path) for path in (site.folder / "images.json", image.parent, image)
    }
    assert "in the catalogue" in refused(site.build())


def test_both_stages_of_a_definition_can_have_a_local_base(site: Site) -> None:
    first = """Bootstrap: {{ bootstrap }}
From: {{ build_from }}
Stage: build

%arguments
    bootstrap=docker
    build_from=debian

%post
    echo compiled > /program

"""
    second = definition(post="cat /program").replace(
        "From: {{ from }}\n", "From: {{ from }}\nStage: final\n"
    )
    copied = "%files from build\n    /program\n\n%post"
    site.recipe(first + second.replace("%post", copied, 1))
    assert "starts from the local image debian, which does not exist" in refused(site.build())
    assert site.files() == set()

    done = site.build("--build-base", site.base)

    assert done.returncode == 0, done.stderr
    image = site.folder / "images" / f"relion-{site.version}-small.sif"
    assert apptainer("--quiet", "exec", image, "cat", "/program").stdout == "compiled\n"


# As relion-source.def fetches RELION, in an image that has no curl.
FETCHES = """archive={{ archive }}
    version={{ version }}
    cat "${archive#file://}/$version.tar.gz" > /source
    ls /mnt >> /source
    ! echo changed > /mnt/$version.tar.gz
    echo "sha256: {{ sha256 }}"
"""
FROM_SOURCE = definition(post=FETCHES).replace(
    "    word=nothing\n",
    "    word=x\n    archive=https://no.such\n    version=5.9\n    sha256=0\n",
)


@pytest.fixture
def with_mnt(small_root: Path, tmp_path: Path) -> Path:
    """A base that has /mnt, as every Debian has and the small image has not."""
    root = tmp_path / "root"
    shutil.copytree(small_root, root, symlinks=True)
    (root / "mnt").mkdir()
    return pack(root, tmp_path / "with-mnt.sif")


def test_a_source_from_a_folder_is_built_from_alone_and_only_read(
    site: Site, with_mnt: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "saved: by a browser, once"
    folder.mkdir()
    (folder / "relion-5.9.tar.gz").write_text("the source")
    site.recipe(FROM_SOURCE, sha256=hashlib.sha256(b"the source").hexdigest())

    said = refused(site.build("--archive", folder))
    assert "a base has no folder /mnt" in said
    assert site.files() == set()

    site.base = with_mnt
    done = site.build("--archive", folder)
    assert done.returncode == 0, done.stderr
    image = site.folder / "images" / f"relion-{site.version}-small.sif"
    source = apptainer("--quiet", "exec", image, "cat", "/source").stdout
    assert source == "the source5.9.tar.gz\n"
    assert (folder / "relion-5.9.tar.gz").read_text() == "the source"


def test_another_source_than_the_recipe_names_is_refused_before_anything_starts(
    site: Site, tmp_path: Path
) -> None:
    (tmp_path / "5.9.tar.gz").write_text("another source")
    site.recipe(FROM_SOURCE)

    done = site.build("--archive", tmp_path)

    assert "is not the archive of RELION 5.9 that its recipe knows" in refused(done)
    assert "Starting build" not in done.stderr
    assert site.files() == set()


def test_a_failing_post_is_told_with_its_command_and_leaves_no_trace(site: Site) -> None:
    site.recipe(definition(post='ls "/no/such/{{ word }}"'))

    said = refused(site.build("--build-arg", "word=thing"))

    assert "%post of" in said and ', at the command "ls /no/such/thing": ' in said
    assert "cannot access '/no/such/thing'" in said
    assert site.files() == set()


def test_a_script_that_reaches_no_server_is_not_taken_for_the_base(site: Site) -> None:
    fails = "ls '/no/such: Connection refused, /dev/fuse'"
    site.recipe(definition(post=fails))
    assert "%post of" in refused(site.build())

    site.recipe(definition(test=fails))
    assert "%test of" in refused(site.build())


def test_a_file_that_comes_to_its_place_during_a_build_stays(site: Site) -> None:
    sleep = own_sleep()
    site.recipe(definition(post=f"{sleep} || true"))
    build = site.start_build()
    image = site.folder / "images" / f"relion-{site.version}-small.sif"
    wait_for(lambda: processes(sleep), 20, "the build")
    image.write_text("another's")
    end(sleep)

    assert build.wait(60) == 1
    assert f"{image} was created by someone else while" in build.communicate()[1]
    assert image.read_text() == "another's"
    assert site.files() == {str(image), str(image.parent)}


def test_large_files_and_what_is_no_file_stay_out_of_the_build(site: Site) -> None:
    site.recipe(definition())
    recipes = site.folder / "containers"
    (recipes / "nothing").symlink_to("/no/such")
    (recipes / "everything").symlink_to("/")
    os.mkfifo(recipes / "pipe")
    large = site.work / "large"
    with open(large, "wb") as stream:
        stream.truncate(200 * 2**20)
    large.chmod(0)  # so that copying it fails
    (recipes / "large").symlink_to(large)

    assert site.build().returncode == 0


def test_what_a_build_makes_can_be_read_by_all_users(site: Site) -> None:
    site.recipe(definition())

    done = site.images(
        *("build", "relion", site.version, "--base", site.base),
        before=("sh", "-c", 'umask 077 && exec "$@"', "sh"),
    )

    assert done.returncode == 0, done.stderr
    for path in map(Path, site.files()):
        assert path.stat().st_mode & 0o044 == 0o044, path


def test_a_failing_test_is_told_with_its_line_and_leaves_no_trace(site: Site) -> None:
    text = definition(test="relion_refin --version")
    site.recipe(text)
    line = next(n for n, each in enumerate(text.splitlines(), 1) if "relion_refin " in each)

    said = refused(site.build())

    assert f"line {line}: relion_refin" in said and "%test of" in said
    assert site.files() == set()


def test_a_build_of_another_version_than_asked_for_is_not_added(site: Site) -> None:
    site.recipe(definition())

    said = refused(site.images("build", "relion", "4.0.2", "--base", site.base))

    assert f"cannot be added as version 4.0.2: RELION in it is {site.version}" in said
    assert site.files() == set()


def test_a_definition_is_checked_before_anything_starts(site: Site) -> None:
    site.recipe(definition().replace("%test", "%help"))
    assert "no %test" in refused(site.build())
    site.recipe(definition().replace("%labels", "%help"))
    assert "no labels" in refused(site.build())
    site.recipe(definition())
    done = site.build("--build-arg", "wrod=x")
    assert 'did you mean "word"?' in refused(done)
    assert "Starting build" not in done.stderr
    assert site.files() == set()


def test_of_two_builds_of_one_image_the_second_is_told_who_builds(site: Site) -> None:
    sleep = own_sleep()
    site.recipe(definition(post=f"{sleep} || true"))
    first = site.start_build()
    wait_for(lambda: processes(sleep), 20, "the first build")

    said = refused(site.build())
    elsewhere = refused(site.build("--folder", site.folder / "other"))

    assert f"is locked, because {os.environ['USER']} (process {first.pid} on " in said
    assert f"(process {first.pid} on " in elsewhere
    end(sleep)
    assert first.wait(60) == 0, first.communicate()[1]
    assert site.entry()["variant"] == "small"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_build_that_is_stopped_leaves_no_process_and_no_file(
    site: Site, number: signal.Signals
) -> None:
    sleep = own_sleep()
    site.recipe(definition(post=sleep))
    build = site.start_build()
    wait_for(lambda: processes(sleep), 20, "the build's %post")
    os.kill(build.pid, number)

    assert build.wait(30) != 0
    wait_for(lambda: not processes(sleep), 10, "the end of its processes")
    assert site.files() == set()

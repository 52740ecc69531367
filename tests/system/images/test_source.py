"""Images from RELION's source without Docker Hub: bases of Debian's packages, an archive on a disk.

RELION's archive is none of ours, and compiling it takes an hour: what stands in for it
(stand_in_source/) is compiled in seconds, through every line of both stages. With RELION's own in
a folder, `RELION_TEST_ARCHIVE=FOLDER tests/run.sh long -k test_relion_itself` builds RELION.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from .image_site import Completed, Site, apptainer, refused

CONTAINERS = Path(__file__).parents[3] / "containers"
STAND_IN = Path(__file__).with_name("stand_in_source")
VERSION = "5.0.1"
RELIONS = Path(os.environ.get("RELION_TEST_ARCHIVE", "/no such folder"))

pytestmark = pytest.mark.long  # a base with CUDA's compilers is 1.7 GB of packages


def bases(gpu: str) -> list[str]:
    """The options that name the bases, as an admin gets them."""
    done = subprocess.run(
        [CONTAINERS / "build.sh", f"bases-{gpu}"], stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.split()


def wanted(gui: str) -> list[str]:
    """The programs that an image must have."""
    listed = ["sh", str(CONTAINERS / "image_test.sh"), "--list", VERSION, gui]
    return subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A folder with an archive of the stand-in, packed as GitHub packs RELION's."""
    folder = tmp_path / "archive"
    folder.mkdir()
    source = tmp_path / "source"
    source.mkdir()
    (source / "version.txt").write_text(VERSION)
    programs = wanted("gui=no")
    (source / "programs.txt").write_text("\n".join(programs))
    of_window = [name for name in wanted("gui=yes") if name not in programs]
    (source / "programs_of_window.txt").write_text("\n".join(of_window))
    with tarfile.open(folder / f"relion-{VERSION}.tar.gz", "w:gz") as packed:
        for each in (*STAND_IN.iterdir(), *source.iterdir()):
            packed.add(each, f"relion-{VERSION}/{each.name}")
    return folder


def build(
    site: Site, variant: str, folder: Path, *options: str, version: str = VERSION
) -> Completed:
    words = ("build", "relion", version, "--variant", variant, "--archive", folder)
    return site.images(*words, *options, patience=7200)


def build_stand_in(site: Site, variant: str, folder: Path, *options: str) -> Completed:
    (file,) = folder.iterdir()
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return build(site, variant, folder, "--build-arg", f"sha256={digest}", *options)


def labels(image: Path) -> str:
    return apptainer("--quiet", "inspect", "--labels", image).stdout


@pytest.mark.parametrize("variant", ["cpu", "cpu-gui"])
def test_a_source_for_cpus_goes_through_both_stages(
    site: Site, archive: Path, variant: str
) -> None:
    done = build_stand_in(site, variant, archive, *bases("cpu"))

    assert done.returncode == 0, done.stderr[-3000:]
    image = site.folder / "images" / f"relion-{VERSION}-{variant}.sif"
    assert f"relion.gui: {'yes' if 'gui' in variant else 'no'}" in labels(image)
    assert "relion.gpu: none" in labels(image) and "relion.cuda" not in labels(image)
    assert ("relion_display" in site.entry()["programs"]) == ("gui" in variant)
    assert "gpu" not in site.entry()


def test_a_source_for_gpus_is_compiled_for_what_the_compiler_knows(
    site: Site, archive: Path
) -> None:
    options = bases("cuda")
    asked = "architectures=70 80 90 120"

    done = build_stand_in(site, "cuda-gui", archive, "--build-arg", asked, *options)

    assert done.returncode == 0, done.stderr[-3000:]
    assert "CUDA 11.8 cannot compile for 120: left out" in done.stderr
    image = site.folder / "images" / f"relion-{VERSION}-cuda-gui.sif"
    assert "relion.cuda: 11.8, sm 70 80 90" in labels(image)
    assert site.entry()["gpu"] == "nvidia"
    program = site.work / "relion_refine"
    compilers = Path(options[options.index("--build-base") + 1])
    copy = ("cp", "/opt/relion/bin/relion_refine", "/mnt")
    apptainer("--quiet", "exec", f"--bind={site.work}:/mnt", image, *copy)
    bound = ("--quiet", "exec", f"--bind={site.work}:/mnt", compilers, "cuobjdump")
    listed = apptainer(*bound, "--list-elf", "--list-ptx", f"/mnt/{program.name}").stdout
    assert set(re.findall(r"\.(sm_\d+)\.cubin", listed)) == {"sm_70", "sm_80", "sm_90"}
    assert "sm_90" in "".join(re.findall(r"sm_\d+\.ptx", listed))


def test_a_wrong_architecture_ends_the_build_in_its_first_lines(site: Site, archive: Path) -> None:
    wrong = "architectures=80;86"

    done = build_stand_in(site, "cuda", archive, "--build-arg", wrong, *bases("cuda"))

    assert '"80;86" is no architecture' in refused(done)
    assert "apt-get" not in done.stderr


@pytest.mark.skipif(not RELIONS.is_dir(), reason="RELION's own archive is not at hand")
@pytest.mark.parametrize("version", ["4.0.2", "5.0.1"])
@pytest.mark.parametrize("variant", ["cpu-gui", "cuda-gui"])
def test_relion_itself_is_built(site: Site, version: str, variant: str) -> None:
    options = ["--build-arg", "architectures=80"] if "cuda" in variant else []
    name = f"relion-{version}-{variant}.sif"

    options += bases(variant.partition("-")[0])
    done = build(site, variant, RELIONS, *options, version=version)

    assert done.returncode == 0, done.stderr[-3000:]
    said = apptainer("--quiet", "exec", site.folder / "images" / name, "relion_refine", "--version")
    assert f"RELION version: {version}" in said.stdout

"""`relion-dispatch images build` and `images add`, with real Apptainer and small real images.

The small images hold the RELION 5 test image's own relion_refine and mpirun and what they link to.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from .conftest import COMMAND, wait_for

APPTAINER = os.environ.get("RELION_TEST_APPTAINER", "apptainer")
Completed = subprocess.CompletedProcess[str]


@dataclass
class Site:
    """A site with recipes of its own, and what its admin types."""

    folder: Path
    work: Path
    base: Path
    version: str
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        """The environment of its commands; compression is left out of the images, for speed."""
        return {
            **os.environ,
            "RELION_DISPATCH_SITE": str(self.folder),
            "RELION_DISPATCH_PYTHON": sys.executable,
            "APPTAINER_TMPDIR": str(self.work),
            "APPTAINER_MKSQUASHFS_ARGS": "-noI -noD -noF -noX",
            **self.environment,
        }

    def images(self, *arguments: str | Path, before: tuple[str, ...] = ()) -> Completed:
        """Run ``relion-dispatch images …``, behind the words `before`."""
        return subprocess.run(
            [*before, str(COMMAND), "images", *map(str, arguments)],
            env=self.variables,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def add(self, file: Path, *options: str, before: tuple[str, ...] = ()) -> Completed:
        return self.images("add", file, *options, before=before)

    def build(self, *options: str | Path) -> Completed:
        return self.images("build", "relion", self.version, "--base", self.base, *options)

    def start_build(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [COMMAND, "images", "build", "relion", self.version, "--base", self.base],
            env=self.variables,
            stderr=subprocess.PIPE,
            text=True,
        )

    def recipe(self, text: str, **arguments: str) -> None:
        """Make `text` the definition of every version's variant "small"."""
        folder = self.folder / "containers"
        folder.mkdir(exist_ok=True)
        (folder / "small.def").write_text(text)
        (folder / "greeting.txt").write_text("hello\n")
        recipe = {"versions": "*", "variant": "small", "definition": "small.def"}
        content = {"relion": [{**recipe, "arguments": arguments}]}
        (folder / "recipes.json").write_text(json.dumps(content))

    def entry(self) -> dict[str, Any]:
        """The only build in the catalogue."""
        content = json.loads((self.folder / "images.json").read_text())
        ((build,),) = content["relion"]["versions"].values()
        return dict(build)

    def files(self) -> set[str]:
        """Everything in the site's folder and the folder for builds, but the recipes and locks."""
        return {
            str(path)
            for folder in (self.folder, self.work)
            for path in folder.rglob("*")
            if "containers" not in path.parts and path.name != "images.json.lock"
        }


def apptainer(*arguments: str | Path, **variables: str) -> Completed:
    return subprocess.run(
        [APPTAINER, *map(str, arguments)],
        env={**os.environ, "APPTAINER_MKSQUASHFS_ARGS": "-noI -noD -noF -noX", **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )


def pack(root: Path, image: Path, *labels: str) -> Path:
    """Make an image of a folder."""
    definition = image.with_suffix(".def")
    lines = "".join(f"    {label}\n" for label in labels)
    definition.write_text(f"Bootstrap: localimage\nFrom: {root}\n\n%labels\n{lines}")
    apptainer("build", image, definition)
    return image


# Run in the RELION 5 image: its programs and what they need, with the usual merged /usr.
GATHER = """
set -eu
cd /mnt
mkdir -p usr/bin usr/lib usr/lib64 tmp proc sys dev etc
ln -s usr/bin usr/lib usr/lib64 .
mpirun=$(readlink -f "$(command -v mpirun)")
set -- /usr/bin/sh /usr/bin/ls /usr/bin/cat /usr/bin/sleep /usr/bin/dd /usr/bin/relion_refine
set -- "$@" $(readlink -f /usr/bin/prterun)  # which Open MPI's mpirun of today starts
for file in $(ldd "$@" "$mpirun" | sed -n 's,.*[[:space:]]\\(/[^ ]*\\) (0x.*,\\1,p' | sort -u); do
    mkdir -p ".${file%/*}"
    cp -L "$file" ".$file"
done
cp -L "$@" usr/bin
cp -L "$mpirun" usr/bin/mpirun
[ -e usr/bin/prterun ] || ln -s prte usr/bin/prterun
mkdir -p usr/share
[ ! -d /usr/share/prte ] || cp -r /usr/share/prte usr/share
"""


@pytest.fixture(scope="session")
def small_root(images: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a shell, relion_refine and mpirun, all out of RELION 5's image."""
    root = tmp_path_factory.mktemp("small") / "root"
    root.mkdir()
    start = ("--quiet", "exec", "--cleanenv", "--no-home", f"--bind={root}:/mnt")
    apptainer(*start, images["5"], "sh", "-c", GATHER)
    return root


@pytest.fixture(scope="session")
def small(small_root: Path, versions: dict[str, str]) -> Path:
    """A small image with RELION and MPI."""
    labels = (f"relion.version {versions['5']}", "relion.gpu none", "relion.gui no")
    return pack(small_root, small_root.parent / "small.sif", *labels)


@pytest.fixture
def site(tmp_path: Path, small: Path, versions: dict[str, str]) -> Site:
    folders = tmp_path / "site", tmp_path / "builds"
    for folder in folders:
        folder.mkdir()
    return Site(*folders, small, versions["5"])


def definition(post: str = "cat greeting.txt", test: str = "relion_refine --version") -> str:
    return f"""Bootstrap: {{{{ bootstrap }}}}
From: {{{{ from }}}}

%arguments
    bootstrap=docker
    from=debian
    word=nothing

%files
    greeting.txt /greeting.txt

%post
    cat /greeting.txt
    {post}
    echo "the word is {{{{ word }}}}" > /word

%labels
    made.with {{{{ word }}}}

%test
    cat /greeting.txt
    {test}
"""


@pytest.fixture
def without_mpirun(small_root: Path, tmp_path: Path) -> Path:
    root = tmp_path / "root"
    shutil.copytree(small_root, root, symlinks=True)
    (root / "usr/bin/mpirun").unlink()
    return pack(root, tmp_path / "image.sif")


def refused(done: Completed) -> str:
    """The sentence of a command that was refused, and nothing else on its last line."""
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("relion-dispatch: ") and last.endswith("."), last
    return last


def test_add_records_what_the_image_says_of_itself(site: Site) -> None:
    done = site.add(site.base)

    assert done.returncode == 0, done.stderr
    entry = site.entry()
    status = site.base.stat()
    digest = subprocess.run(["sha256sum", site.base], capture_output=True, text=True, check=True)
    assert entry.pop("sha256") == digest.stdout.split()[0]
    assert entry.pop("mpi").startswith("Open MPI ")
    assert re.fullmatch("[0-9a-f]{32}", entry.pop("sif_id"))
    assert entry == {
        "variant": "cpu",
        "path": str(site.base),
        "size": status.st_size,
        "mtime": status.st_mtime_ns,
        "architecture": "amd64",
        "programs": ["mpirun", "relion_refine"],
    }
    assert f"relion {site.version} (cpu) (the default)" in done.stdout


def test_the_full_relion_3_image_is_added_under_its_own_version(
    site: Site, images: dict[str, Path], versions: dict[str, str]
) -> None:
    done = site.add(images["3"])

    assert f"relion {versions['3']} (cpu) (the default)" in done.stdout, done.stderr
    assert {"relion_refine_mpi", "mpirun", "relion_postprocess"} <= set(site.entry()["programs"])


def test_a_name_version_or_gpu_that_contradicts_the_image_is_refused(site: Site) -> None:
    assert "RELION in it is" in refused(site.add(site.base, "--version", "3.1.3"))
    assert 'cannot be called "cryosparc"' in refused(site.add(site.base, "--name", "cryosparc"))
    assert "RELION in it is" in refused(site.add(site.base, "--name", "relion-3.1"))
    assert "built for the CPU" in refused(site.add(site.base, "--gpu", "nvidia"))
    assert site.files() == set()


def test_an_image_whose_label_contradicts_its_relion_is_refused(
    site: Site, small_root: Path, tmp_path: Path
) -> None:
    image = pack(small_root, tmp_path / "image.sif", "relion.version 3.1.3")

    assert "contradicts itself" in refused(site.add(image))


def test_the_same_file_again_updates_its_entry_and_another_needs_replace(
    site: Site, small_root: Path, tmp_path: Path
) -> None:
    image = shutil.copy(site.base, site.folder / "image.sif")
    site.add(image, "--partition", "old", "--partition", "older")

    assert "updated" in site.add(image).stdout
    assert site.entry()["partitions"] == ["old", "older"]
    assert site.entry()["path"] == "image.sif"

    other = pack(small_root, tmp_path / "other.sif")
    before = (site.folder / "images.json").read_bytes()
    assert "--replace" in refused(site.add(other))
    assert (site.folder / "images.json").read_bytes() == before
    assert site.add(other, "--replace").returncode == 0
    assert site.entry()["path"] == str(other)


def test_files_that_are_no_whole_sif_are_refused(site: Site, tmp_path: Path) -> None:
    (tmp_path / "text.sif").write_text("not an image" * 100)
    assert "no SIF file" in refused(site.add(tmp_path / "text.sif"))
    (tmp_path / "cut.sif").write_bytes(site.base.read_bytes()[:500_000])
    assert "cut short" in refused(site.add(tmp_path / "cut.sif"))
    assert "cannot be read" in refused(site.add(tmp_path / "missing.sif"))


def test_any_name_of_a_file_is_taken_and_no_odd_one_of_an_image(site: Site) -> None:
    for name in ("relion:5 of today.sif", "-5.sif"):
        shutil.copy(site.base, site.folder / name)
        done = site.images("add", "--variant", "v" + str(len(name)), "--", name)
        assert f"file          {name}" in done.stdout, done.stderr

    assert '"a b" is no variant' in refused(site.add(site.base, "--variant", "a b"))
    odd = f"{site.version}/../x"
    assert f'"{odd}" is no version' in refused(site.add(site.base, "--version", odd))


def test_an_image_for_another_architecture_is_refused(site: Site, tmp_path: Path) -> None:
    image = tmp_path / "image.sif"
    shutil.copy(site.base, image)
    with open(image, "r+b") as stream:
        stream.seek(45)
        stream.write(b"04")

    assert "is for arm64" in refused(site.add(image))


def test_an_image_without_mpirun_relion_or_shell_is_refused(
    site: Site, without_mpirun: Path, tmp_path: Path
) -> None:
    assert "no mpirun" in refused(site.add(without_mpirun))
    (tmp_path / "root/usr/bin/relion_refine").unlink()
    assert "no RELION" in refused(site.add(pack(tmp_path / "root", tmp_path / "no-relion.sif")))
    (tmp_path / "root/usr/bin/sh").unlink()
    assert "no shell" in refused(site.add(pack(tmp_path / "root", tmp_path / "no-shell.sif")))


def test_a_signed_image_is_recorded_with_its_key_and_a_changed_one_refused(
    site: Site, tmp_path: Path
) -> None:
    keys = str(tmp_path / "keys")
    who = ("--name=admin", "--email=admin@example.org", "--comment=test")
    new = ("key", "newpair", "--bit-length=2048", "--password=", "--push=false")
    apptainer(*new, *who, APPTAINER_KEYSDIR=keys)
    listed = apptainer("key", "list", APPTAINER_KEYSDIR=keys).stdout
    fingerprint = re.findall("[0-9A-F]{40}", listed)[0]
    image = Path(shutil.copy(site.base, tmp_path / "image.sif"))
    (site.folder / "site.json").write_text(
        json.dumps({"apptainer": {"signed_by": [fingerprint], "program": APPTAINER}})
    )
    assert "warning: jobs will be refused this image" in site.add(image).stdout

    apptainer("sign", image, APPTAINER_KEYSDIR=keys)
    site.environment = {"APPTAINER_KEYSDIR": keys}
    done = site.add(image, "--replace")
    assert site.entry()["signed_by"] == [fingerprint], done.stderr
    assert "warning" not in done.stdout
    # A key that is not in the keyring proves nothing.
    site.environment = {"APPTAINER_KEYSDIR": str(tmp_path / "no-keys")}
    assert "warning: jobs will be refused this image" in site.add(image).stdout
    assert "signed_by" not in site.entry()

    site.environment = {"APPTAINER_KEYSDIR": keys}
    with open(image, "r+b") as stream:
        stream.seek(-(1 << 20), os.SEEK_END)
        byte = stream.read(1)
        stream.seek(-1, os.SEEK_CUR)
        stream.write(bytes([byte[0] ^ 1]))
    assert "changed after it was signed" in refused(site.add(image, "--replace"))


def test_an_image_is_built_tested_and_added(site: Site) -> None:
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


def test_a_failing_post_is_told_with_its_line_and_leaves_no_trace(site: Site) -> None:
    text = definition(post='ls "/no/such/{{ word }}"')
    site.recipe(text)
    line = next(n for n, each in enumerate(text.splitlines(), 1) if "/no/such" in each)

    said = refused(site.build("--build-arg", "word=thing"))

    assert "%post of" in said and f"line {line}," in said
    assert "cannot access '/no/such/thing'" in said
    assert site.files() == set()


def test_a_script_that_reaches_no_server_is_not_taken_for_the_base(site: Site) -> None:
    fails = "ls '/no/such: Connection refused, /dev/fuse'"
    site.recipe(definition(post=fails))
    assert "%post of" in refused(site.build())

    site.recipe(definition(test=fails))
    assert "%test of" in refused(site.build())


def test_a_file_that_comes_to_its_place_during_a_build_stays(site: Site) -> None:
    site.recipe(definition(post="sleep 2"))
    build = site.start_build()
    image = site.folder / "images" / f"relion-{site.version}-small.sif"
    wait_for(image.parent.is_dir, 10, "the build")
    image.write_text("another's")

    assert build.wait(60) == 1
    assert f"{image} was put there while" in build.communicate()[1]
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
    site.recipe(definition(post="sleep 6"))
    first = site.start_build()
    wait_for((site.folder / "images").is_dir, 10, "the first build")

    said = refused(site.build())
    elsewhere = refused(site.build("--folder", site.folder / "other"))

    assert f"is being built by {os.environ['USER']} (process {first.pid} on " in said
    assert f"(process {first.pid} on " in elsewhere
    assert first.wait(60) == 0, first.communicate()[1]
    assert site.entry()["variant"] == "small"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_build_that_is_stopped_leaves_no_process_and_no_file(
    site: Site, number: signal.Signals
) -> None:
    site.recipe(definition(post="sleep 97"))
    build = site.start_build()

    def sleeps() -> list[str]:
        lines = subprocess.run(["ps", "xww", "-o", "args"], capture_output=True, text=True).stdout
        return [line for line in lines.splitlines() if line.startswith("sleep 97")]

    wait_for(sleeps, 20, "the build's %post")
    os.kill(build.pid, number)

    assert build.wait(30) != 0
    time.sleep(0.2)
    assert sleeps() == []
    assert site.files() == set()


def in_namespace(script: str) -> tuple[str, ...]:
    """Words that run a command after `script`, in mounts of its own, as an ordinary user again."""
    user, group = os.getuid(), os.getgid()
    again = f'exec unshare --user --map-user={user} --map-group={group} "$@"'
    return ("unshare", "-rm", "sh", "-ec", f"{script}\n{again}", "sh")


def test_no_space_for_the_build_is_told_before_it_starts(site: Site) -> None:
    site.recipe(definition())
    small_disk = in_namespace(f"mount -t tmpfs -o size=8M none {site.work}")
    command = ("build", "relion", site.version, "--base", site.base)

    done = site.images(*command, before=small_disk)

    assert f"no space for the build in {site.work}" in refused(done)
    assert "Starting build" not in done.stderr
    small_disk = in_namespace(f"mount -t tmpfs -o size=8M none {site.folder / 'images'}")
    (site.folder / "images").mkdir()
    done = site.images(*command, before=small_disk)
    assert f"no space for the build in {site.folder / 'images'}" in refused(done)


def test_a_full_disk_at_the_end_is_told(site: Site) -> None:
    # --fakeroot does not work where an ordinary user may mount a small disk: only the last step.
    small_disk = in_namespace(f"mount -t tmpfs -o size=1M none {site.folder}")
    code = """
import os, sys
from pathlib import Path
from dispatcher.catalogue.build_files import published
try:
    with published(Path(sys.argv[1]), Path(sys.argv[2], "image.sif")):
        print("published")
except Exception as error:
    print(type(error).__name__, error, os.listdir(sys.argv[2]))
"""
    done = subprocess.run(
        [*small_disk, sys.executable, "-c", code, str(site.base), str(site.folder)],
        env={**os.environ, "PYTHONPATH": str(COMMAND.parents[1])},
        capture_output=True,
        text=True,
    )

    assert "cannot be written (No space left on device)" in done.stdout, done.stderr
    assert done.stdout.startswith("WriteError") and done.stdout.endswith("[]\n")


def test_a_disk_that_fills_up_during_the_build_is_told(site: Site) -> None:
    # /dev/full answers as a full disk does.
    site.recipe(definition(post="dd if=/dev/zero of=/dev/full count=1"))

    assert f"ran out of space in {site.work}" in refused(site.build())
    assert site.files() == set()


HIDE_FUSE = """
mount -t tmpfs none /dev/shm
mkdir /dev/shm/new
for name in null zero full random urandom tty; do
    touch /dev/shm/new/$name
    mount --bind /dev/$name /dev/shm/new/$name
done
mount --rbind /dev/shm/new /dev
"""


def test_no_dev_fuse_is_told(site: Site) -> None:
    assert "there is no /dev/fuse" in refused(site.add(site.base, before=in_namespace(HIDE_FUSE)))


def test_user_namespaces_off_is_told(site: Site) -> None:
    # One is needed to become an ordinary user again; Apptainer's own is then one too many.
    off = in_namespace("echo 1 > /proc/sys/user/max_user_namespaces")
    assert "user namespaces are off" in refused(site.add(site.base, before=off))
    site.recipe(definition())
    command = ("build", "relion", site.version, "--base", site.base)
    assert "user namespaces are off" in refused(site.images(*command, before=off))
    assert site.files() == set()


def test_no_connection_to_the_registry_is_told(site: Site) -> None:
    site.recipe(definition())
    nobody = "http://127.0.0.1:9"  # the port of nothing
    site.environment = {"HTTPS_PROXY": nobody, "https_proxy": nobody}

    done = site.images("build", "relion", site.version)

    assert "build on a local image with --base" in refused(done)


def test_apptainer_missing_is_told(site: Site, path_without_apptainer: Path) -> None:
    site.environment = {"PATH": str(path_without_apptainer)}

    assert "Apptainer (apptainer) cannot be started" in refused(site.add(site.base))


def test_singularity_ce_in_its_place_is_told(site: Site, path_without_apptainer: Path) -> None:
    # A stand-in that prints what SingularityCE 4.3 does: it has no package here.
    singularity = path_without_apptainer / "singularity"
    singularity.write_text("#!/bin/sh\necho singularity-ce version 4.3.1\n")
    singularity.chmod(0o755)
    site.environment = {"PATH": str(path_without_apptainer)}
    assert "only SingularityCE version 4.3.1" in refused(site.add(site.base))

    (path_without_apptainer / "apptainer").symlink_to(singularity)
    assert "apptainer is singularity-ce version 4.3.1" in refused(site.add(site.base))


def test_apptainer_under_its_other_name_is_not_taken_for_singularity_ce(
    site: Site, path_without_apptainer: Path
) -> None:
    (path_without_apptainer / "singularity").symlink_to(shutil.which(APPTAINER) or APPTAINER)
    site.environment = {"PATH": str(path_without_apptainer)}

    assert "Apptainer (apptainer) cannot be started" in refused(site.add(site.base))


@pytest.fixture
def path_without_apptainer(tmp_path: Path) -> Path:
    """A folder with links to all programs on the PATH but Apptainer."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for place in os.environ["PATH"].split(":"):
        if not os.access(place, os.R_OK | os.X_OK):
            continue
        for program in Path(place).glob("*"):
            link = folder / program.name
            if program.name not in ("apptainer", "singularity") and not link.is_symlink():
                link.symlink_to(program)
    return folder

"""Real installations: both forms, upgrades, what users load, and a site set up from its export."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ..unit.conftest import CORPUS, fill_project
from .conftest import ROOT, MakeProject, Project, wait_for

FORMS = ("venv", "appliance")
JOBS = sorted(str(path.relative_to(CORPUS)) for path in CORPUS.glob("*/*_job*"))
LMOD = Path("/usr/share/lmod/lmod/init/bash")


def environment(**more: str) -> dict[str, str]:
    """The environment of someone who has heard nothing of the dispatcher yet."""
    ours = ("RELION_QSUB_", "RELION_QUEUE_", "RELION_DISPATCH_")
    return {k: v for k, v in os.environ.items() if not k.startswith(ours)} | more


def install(
    prefix: Path, *arguments: str | Path, root: Path = ROOT, **more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [root / "deploy" / "install.sh", "--prefix", prefix, *arguments],
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=900,
    )


def form_options(form: str) -> list[str]:
    """The options that install a form; the appliance is built once, by tests/run.sh."""
    image = os.environ.get("RELION_TEST_APPLIANCE")
    return ["--appliance", "--image", image] if form == "appliance" and image else [f"--{form}"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``installed("venv")``: the prefix of an installation, made once."""
    made: dict[str, Path] = {}

    def get(form: str) -> Path:
        if form not in made:
            prefix = tmp_path_factory.mktemp(form) / "prefix"
            done = install(prefix, *form_options(form))
            assert done.returncode == 0, done.stderr
            made[form] = prefix
        return made[form]

    return get


@pytest.fixture
def checkout(tmp_path: Path) -> Callable[[str], Path]:
    """``checkout("0.2.0")``: a copy of this checkout that calls itself so."""

    def copy(version: str) -> Path:
        folder = tmp_path / f"checkout-{version}"
        for name in ("dispatcher", "config", "job_template", "containers", "deploy"):
            shutil.copytree(ROOT / name, folder / name)
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, folder)
        (folder / "dispatcher" / "__init__.py").write_text(f'__version__ = "{version}"\n')
        return folder

    return copy


def version_of(prefix: Path) -> str:
    return subprocess.run(
        [prefix / "bin" / "relion-dispatch", "--version"],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def move_site(project: Project, prefix: Path) -> None:
    """Make the project's site that of the installation."""
    own = prefix / "etc" / "relion-dispatch"
    for name in ("site.json", "images.json"):
        shutil.copy(Path(project.environment["RELION_DISPATCH_SITE"]) / name, own)
    project.environment = environment()
    project.command = prefix / "bin" / "relion-dispatch"


@pytest.mark.parametrize("form", FORMS)
def test_a_job_runs_through_the_installed_command(
    form: str, installed: Callable[[str], Path], make_project: MakeProject
) -> None:
    prefix = installed(form)
    project = make_project("5", scheduler="local")
    move_site(project, prefix)

    job = project.add_job("maskcreate", fn_in="reference.mrc")
    project.run_job(job)

    project.assert_succeeded(job)
    used = project.record(job)["configuration"]["site.json"]["path"]
    assert used == str(prefix / "etc" / "relion-dispatch" / "site.json")


SHELLS = {
    "sh": ["sh", "-euc", ". {prefix}/share/relion-dispatch.sh; {then}"],
    "csh": ["tcsh", "-fec", "source {prefix}/share/relion-dispatch.csh; {then}"],
    "lmod": [
        "bash",
        "-c",
        f". {LMOD}; module use {{prefix}}/share/modulefiles; module load relion-dispatch; {{then}}",
    ],
    "tcl": [
        "bash",
        "-c",
        f". {LMOD}; module use {{tcl}}; module load relion-dispatch; {{then}}",
    ],
}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("form", FORMS)
def test_what_users_load_lets_relion_submit(
    form: str,
    shell: str,
    installed: Callable[[str], Path],
    make_project: MakeProject,
    tmp_path: Path,
) -> None:
    prefix = installed(form)
    project = make_project("5", scheduler="local")
    job = project.add_job("maskcreate", fn_in="reference.mrc")
    move_site(project, prefix)
    # The module of Environment Modules, without Lmod's own beside it.
    tcl = tmp_path / "modulefiles"
    tcl.mkdir()
    shutil.copy(prefix / "share" / "modulefiles" / "relion-dispatch", tcl)

    # As RELION does: system("$RELION_QSUB_COMMAND SCRIPT &"), with the template of its choice.
    script = f"{job.parent.name}/{job.name}/run_submit.script"
    then = (
        f'test -r "$RELION_QSUB_TEMPLATE" && test "$RELION_QUEUE_USE" = yes && '
        f"relion-dispatch --version && sh -c '$RELION_QSUB_COMMAND {script} &'"
    )
    *start, text = SHELLS[shell]
    done = subprocess.run(
        [*start, text.format(prefix=prefix, tcl=tcl, then=then)],
        cwd=project.folder,
        env=project.environment,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    wait_for((job / "RELION_JOB_EXIT_SUCCESS").exists, 60, "the job's success")


def test_loading_twice_changes_nothing_more(installed: Callable[[str], Path]) -> None:
    prefix = installed("venv")
    for start, end in (
        ("sh", ". {}/share/relion-dispatch.sh"),
        ("tcsh", "source {}/share/relion-dispatch.csh"),
    ):
        load = end.format(prefix)
        once, twice = (
            subprocess.run(
                [start, "-c", f"{load}; {again} env | grep -E '^(PATH|RELION_Q)' | sort"],
                env=environment(),
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for again in ("", f"{load};")
        )
        assert once == twice
        assert f"PATH={prefix}/bin:" in once


def test_unloading_the_module_takes_everything_back(installed: Callable[[str], Path]) -> None:
    text = (
        f". {LMOD}; module use {installed('venv')}/share/modulefiles; module load relion-dispatch;"
        " module unload relion-dispatch; env"
    )
    after = subprocess.run(
        ["bash", "-c", text], env=environment(), capture_output=True, text=True, check=True
    ).stdout

    assert not re.search("^RELION_Q", after, re.MULTILINE)
    assert f"{installed('venv')}/bin" not in after


def test_an_upgrade_keeps_the_site_and_can_be_taken_back(
    tmp_path: Path, checkout: Callable[[str], Path]
) -> None:
    prefix = tmp_path / "prefix"
    old, new = checkout("0.1.7"), checkout("0.2.0")
    assert install(prefix, "--venv", root=old).returncode == 0
    site = prefix / "etc" / "relion-dispatch"
    (site / "site.json").write_text('{"scheduler": "slurm"}')
    (site / "images.json").unlink()
    (site / "job_template" / "own.sh.j2").write_text("")
    before = {path: path.read_bytes() for path in site.rglob("*") if path.is_file()}

    # The checkout may be one that can only be read, and the form need not be said again.
    subprocess.run(["chmod", "-R", "a-w", new], check=True)
    done = install(prefix, root=new)
    subprocess.run(["chmod", "-R", "u+w", new], check=True)

    assert done.returncode == 0, done.stderr
    assert version_of(prefix) == "0.2.0"
    assert {path: path.read_bytes() for path in site.rglob("*") if path.is_file()} == before
    assert_as_in_manifest(prefix)

    assert install(prefix, "--rollback").returncode == 0
    assert version_of(prefix) == "0.1.7"
    assert install(prefix, "--rollback").returncode == 0
    assert version_of(prefix) == "0.2.0"
    assert {path: path.read_bytes() for path in site.rglob("*") if path.is_file()} == before
    history = re.findall(r"^# history \S+ \S+ (\w+)", (prefix / "MANIFEST").read_text(), re.M)
    assert history == ["installed", "installed", "rolled", "rolled"]
    assert_as_in_manifest(prefix)

    older = prefix / "versions" / "0.1.0-0123456789ab"
    older.mkdir()
    (older / "MANIFEST").touch()
    assert install(prefix, "--prune").returncode == 0
    assert not older.exists()
    assert install(prefix, "--rollback").returncode == 0
    assert version_of(prefix) == "0.1.7"


def assert_as_in_manifest(prefix: Path) -> None:
    """Every file is as the manifest says, and every file of the versions is in it."""
    done = subprocess.run(
        ["sha256sum", "--check", "--quiet", "--strict", "MANIFEST"],
        cwd=prefix,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    manifest = (prefix / "MANIFEST").read_text()
    listed = set(re.findall(r"^[0-9a-f]{64}  (.*)$", manifest, re.MULTILINE))
    written = {
        str(path.relative_to(prefix))
        for path in (prefix / "versions").rglob("*")
        if path.is_file() and not path.is_symlink()
    }
    own = {str(path.relative_to(prefix)) for path in (prefix / "versions").glob("*/MANIFEST")}
    assert written - own == listed


def test_a_failed_upgrade_leaves_the_present_version(
    tmp_path: Path, checkout: Callable[[str], Path]
) -> None:
    prefix = tmp_path / "prefix"
    assert install(prefix, "--venv", root=checkout("0.1.7")).returncode == 0
    broken = checkout("0.2.0")
    requirements = broken / "deploy" / "requirements.txt"
    requirements.write_text(re.sub(r"sha256:\w+", f"sha256:{'0' * 64}", requirements.read_text()))

    done = install(prefix, root=broken)

    assert done.returncode == 1
    assert "do not match the hashes" in done.stderr.replace("\n", " ").lower()
    assert "0.1.7" in done.stderr and "stays in use" in done.stderr
    assert version_of(prefix) == "0.1.7"
    assert len(list((prefix / "versions").iterdir())) == 1
    assert_as_in_manifest(prefix)


def test_an_interrupted_upgrade_leaves_the_present_version(
    tmp_path: Path, checkout: Callable[[str], Path]
) -> None:
    prefix = tmp_path / "prefix"
    assert install(prefix, "--venv", root=checkout("0.1.7")).returncode == 0
    new = checkout("0.2.0")
    upgrade = subprocess.Popen(
        [new / "deploy" / "install.sh", "--prefix", prefix],
        env=environment(),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    libraries = "versions/0.2.0-*/venv/lib/python3*/site-packages/jinja2"
    wait_for(lambda: list(prefix.glob(libraries)), 120, "the upgrade's first library")
    os.killpg(upgrade.pid, signal.SIGKILL)
    upgrade.wait()

    assert version_of(prefix) == "0.1.7"
    assert_links(prefix, "0.1.7")
    assert install(prefix, root=new).returncode == 0
    assert version_of(prefix) == "0.2.0"
    assert_as_in_manifest(prefix)


def assert_links(prefix: Path, version: str) -> None:
    links = {name: str((prefix / name).readlink()) for name in ("current", "bin", "share")}
    assert re.fullmatch(f"versions/{version}-\\w+", links["current"])
    assert (links["bin"], links["share"]) == ("current/bin", "current/share")


def test_of_two_installations_at_once_one_waits(tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    both = [
        subprocess.Popen(
            [ROOT / "deploy" / "install.sh", "--prefix", prefix, "--venv"],
            env=environment(),
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=600)[1] for process in both]

    assert [process.returncode for process in both] == [0, 0], "\n".join(said)
    assert sum("waiting for it" in text for text in said) == 1
    assert sum("is there already" in text for text in said) == 1
    assert_as_in_manifest(prefix)


def test_a_damaged_version_is_installed_anew(tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    assert install(prefix, "--venv").returncode == 0
    (damaged,) = prefix.glob("versions/*/venv/lib/python3*/site-packages/dispatcher/hook.py")
    damaged.unlink()

    done = install(prefix)

    assert done.returncode == 0, done.stderr
    assert "was changed or damaged" in done.stderr
    assert (prefix / "current" / damaged.relative_to(damaged.parents[5])).exists()


@pytest.mark.parametrize("form", FORMS)
def test_relion_learns_of_an_installation_without_its_files(
    form: str, installed: Callable[[str], Path], tmp_path: Path
) -> None:
    text = (installed(form) / "bin" / "relion_dispatch.py").read_text()
    program = re.findall("^program=(.*)$", text, re.MULTILINE)[0]
    command = tmp_path / "relion_dispatch.py"
    command.write_text(text.replace(program, f"{tmp_path}/nothing"))
    command.chmod(0o755)
    job = tmp_path / "Refine3D" / "job001"
    job.mkdir(parents=True)

    done = subprocess.run(
        [command, "Refine3D/job001/run_submit.script"], cwd=tmp_path, capture_output=True
    )

    assert done.returncode != 0
    assert "tell your admin to run deploy/install.sh again" in (job / "run.err").read_text()
    assert (job / "RELION_JOB_EXIT_FAILURE").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--prefix", "{other}"], "{other} holds something else"),
        (["--prefix", "{other}/file"], "{other}/file is a file"),
        (["--prefix", "{tmp}/a b"], "may hold no blanks"),
        (["--prefix", "/proc/new"], "the folder /proc/new cannot be made"),
        (["--prefix", "{tmp}/new", "--rollback"], "nothing is installed in {tmp}/new"),
        (["--prefix", "{venv}", "--rollback"], "there is no version before"),
        (["--prefix", "{tmp}/new", "--venv", "--appliance"], "choose one of"),
        (["--prefix", "{tmp}/new", "--python", "/bin/true"], "/bin/true is no Python 3.11"),
        (["--prefix", "{tmp}/new", "--images", "{other}"], "--images and --build go with --from"),
        (["--prefix", "{tmp}/new", "--from", "{tmp}/none"], "{tmp}/none does not exist"),
    ],
)
def test_what_cannot_be_done_is_said(
    arguments: list[str], message: str, installed: Callable[[str], Path], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").touch()
    names = {"other": other, "tmp": tmp_path, "venv": installed("venv")}

    done = subprocess.run(
        [ROOT / "deploy" / "install.sh", *(each.format(**names) for each in arguments)],
        env=environment(),
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert message.format(**names) in done.stderr
    assert [path.name for path in other.iterdir()] == ["file"]


def test_an_appliance_needs_apptainer(tmp_path: Path) -> None:
    done = install(
        tmp_path / "prefix", "--appliance", RELION_DISPATCH_APPTAINER="/nowhere/apptainer"
    )

    assert done.returncode == 1
    assert '--appliance needs Apptainer, and there is no "/nowhere/apptainer"' in done.stderr


def test_an_installation_without_the_internet(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    pip = ["python3", "-m", "pip", "download", "-q", "-d", wheels]
    requires = re.search(r'requires = \["(.*)"\]', (ROOT / "pyproject.toml").read_text())
    assert requires
    for what in (["-r", ROOT / "deploy" / "requirements.txt"], [requires[1]]):
        subprocess.run([*pip, *what], check=True, capture_output=True)

    done = install(
        tmp_path / "prefix",
        "--wheels",
        wheels,
        PIP_INDEX_URL="http://127.0.0.1:9/",
        PIP_EXTRA_INDEX_URL="",
        PIP_NO_CACHE_DIR="1",
    )

    assert done.returncode == 0, done.stderr
    version_of(tmp_path / "prefix")


def plans(prefix: Path, project: Path, **more: str) -> dict[str, str]:
    """The plan of every submission in the corpus, as the installation prints it."""
    found = {}
    for name in JOBS:
        script = project / Path(name).name.replace("_job", "/job") / "run_submit.script"
        shutil.copytree(CORPUS / name, script.parent, dirs_exist_ok=True)
        done = subprocess.run(
            [prefix / "bin" / "relion-dispatch", "plan", "--json", script],
            env=environment(**more),
            capture_output=True,
            text=True,
        )
        found[name] = done.stdout or done.stderr
    return found


@pytest.fixture
def store(tmp_path: Path, images: dict[str, Path]) -> Path:
    """A folder with links to RELION's real images, to be moved."""
    folder = tmp_path / "store"
    folder.mkdir()
    for major, image in images.items():
        (folder / f"relion-{major}.sif").hardlink_to(image)
    return folder


@pytest.fixture
def site(tmp_path: Path, store: Path, versions: dict[str, str]) -> Path:
    """A site's own files, in a folder of theirs."""
    folder = tmp_path / "site"
    (folder / "job_template").mkdir(parents=True)
    catalogue = {
        versions[major]: [
            {
                "variant": "stand-in for cuda",
                "path": f"{store}/relion-{major}.sif",
                "gpu": "nvidia",
            },
            {"variant": "cpu", "path": f"{store}/relion-{major}.sif"},
        ]
        for major in ("3", "5")
    }
    contents = {
        "images.json": {"relion": {"default": versions["5"], "versions": catalogue}},
        "site.json": {
            "scheduler": "slurm",
            "partitions": {"gpu": {"cores": 64, "gpus": 4, "gpu_memory": "32G"}},
            "job_parameters": {"submit": {"partition": "gpu"}, "gpu": {"ngpu": 2}},
        },
    }
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content, indent=2))
    (folder / "job_template" / "refine.sh.j2").write_text('{% extends "gpu.sh.j2" %}')
    return folder


def run(prefix: Path, *arguments: str | Path, **more: str) -> str:
    done = subprocess.run(
        [prefix / "bin" / "relion-dispatch", *arguments],
        env=environment(**more),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("form", FORMS)
def test_a_site_from_its_export_plans_every_submission_alike(
    form: str, installed: Callable[[str], Path], site: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    fill_project(project)
    there, here = installed("venv"), tmp_path / "prefix"
    file = tmp_path / "site.export"
    run(there, "site", "export", file, RELION_DISPATCH_SITE=str(site))
    before = plans(there, project, RELION_DISPATCH_SITE=str(site))
    exported = json.loads(file.read_text())["images"][-1]
    assert exported["labels"]["relion.version"] == exported["version"]
    assert "Bootstrap: localimage" in exported["definition"]

    done = install(here, *form_options(form), "--from", file)

    assert done.returncode == 0, done.stdout + done.stderr
    assert not re.search("^(differs|missing)", done.stdout, re.MULTILINE)
    after = plans(here, project)
    assert after == before
    planned = [json.loads(plan) for plan in after.values()]
    assert len(planned) > 30
    assert "refine.sh.j2" in {plan["template"] for plan in planned}
    assert_as_in_manifest(here)


def test_images_of_an_exported_site_are_found_or_built(
    installed: Callable[[str], Path],
    site: Path,
    store: Path,
    images: dict[str, Path],
    versions: dict[str, str],
    tmp_path: Path,
) -> None:
    there, here = installed("venv"), tmp_path / "prefix"
    (site / "containers").mkdir()
    (site / "containers" / "ours.def").write_text(
        f"Bootstrap: localimage\nFrom: {images['3']}\n\n"
        f"%labels\n    relion.version {versions['3']}\n    relion.gpu none\n"
        "    relion.mpi Open MPI\n\n"
        "%test\n    relion_refine --version\n"
    )
    recipe = {"versions": versions["3"], "variant": "cpu", "definition": "ours.def"}
    (site / "containers" / "recipes.json").write_text(json.dumps({"relion": [recipe]}))
    file = tmp_path / "site.export"
    run(there, "site", "export", file, RELION_DISPATCH_SITE=str(site))
    moved = store.rename(tmp_path / "moved")
    (moved / "relion-3.sif").unlink()
    (moved / "relion-5.sif").rename(moved / "5.img")

    done = install(here, *form_options("appliance"), "--from", file, "--images", moved, "--build")

    assert done.returncode == 3, done.stdout + done.stderr
    found = re.findall(r"^((?:equal|differs|missing) +(.*?)(?:  .*)?)$", done.stdout, re.MULTILINE)
    row = {what: line for line, what in found}
    for variant in ("stand-in for cuda", "cpu"):
        five = row[f"image relion {versions['5']} ({variant})"]
        assert five.startswith("equal") and five.endswith(f"{moved}/5.img")
    assert row["site's images.json"].startswith("differs"), done.stdout + done.stderr
    assert row[f"image relion {versions['3']} (stand-in for cuda)"].startswith("missing")
    assert row[f"image relion {versions['3']} (cpu)"].startswith("differs")
    assert "(stand-in for cuda) was not built: There is no recipe" in done.stdout
    built = here / "etc/relion-dispatch/images" / f"relion-{versions['3']}-cpu.sif"
    assert f"was built anew, as {built}" in done.stdout
    listed = json.loads(run(here, "images", "list", "--json"))
    assert [each["path"] for each in listed if each["variant"] == "cpu"] == [
        str(built),
        f"{moved}/5.img",
    ]


def test_an_export_that_cannot_be_set_up_installs_nothing(tmp_path: Path) -> None:
    file = tmp_path / "site.export"
    file.write_text('{"format": "another"}')

    done = install(tmp_path / "prefix", "--venv", "--from", file)

    assert done.returncode == 1
    assert "is no export of a site" in done.stderr
    assert not (tmp_path / "prefix" / "current").exists()

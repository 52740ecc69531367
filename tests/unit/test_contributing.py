"""The worked examples of CONTRIBUTING.md apply to the project, and do what the page says."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.config.endings import load_endings
from dispatcher.config.site import load_site
from dispatcher.jobs.record import RECORD, load_record
from dispatcher.memory import gpu_memory
from dispatcher.memory.refinement import Refinement
from dispatcher.planning.make_plan import plan_script
from dispatcher.scheduler.answers import QueuedJob, read_end, read_jobs

from ..fixture_types import CorpusJob, WriteSite

ROOT = Path(__file__).parents[2]
STAND_INS = ROOT / "tests" / "stand_ins"
JOB = "relion-5.0.1/Refine3D_job011"

Run = Callable[..., str]


def section(title: str) -> str:
    """The part of CONTRIBUTING.md with that title."""
    page = (ROOT / "CONTRIBUTING.md").read_text()
    (found,) = re.findall(rf"(?ims)^### {re.escape(title)}\n(.*?)(?=^##|\Z)", page)
    return str(found)


def changed(title: str) -> dict[str, str]:
    """The files that the example changes or adds, as they are afterwards, by their paths."""
    differences = re.findall(
        r"^```diff\n--- a/(\S+)\n\+\+\+ b/\1\n@@\n(.*?)^```",
        section(title),
        re.DOTALL | re.MULTILINE,
    )
    files = {file: after((ROOT / file).read_text(), each, file) for file, each in differences}
    whole = r"^`(\S+/\S+)`:\n\n```\w+\n(.*?)^```"
    for file, text in re.findall(whole, section(title), re.DOTALL | re.MULTILINE):
        assert not (ROOT / file).exists(), f"the example would replace {file}"
        files[file] = text
    return files


def after(text: str, difference: str, file: str) -> str:
    """The text of a file with all parts of a difference applied, of which each fits one place."""
    for part in difference.split("@@\n"):
        lines = part.splitlines(keepends=True)
        was = "".join(line[1:] for line in lines if line[0] in " -")
        assert text.count(was) == 1, f"the difference for {file} does not apply:\n{was}"
        text = text.replace(was, "".join(line[1:] for line in lines if line[0] in " +"))
    return text


@pytest.fixture
def run_with(tmp_path: Path) -> Run:
    """Run ``relion-dispatch`` as it is with an example: ``run_with("a sub-command", "where")``."""

    def run(title: str, *words: str | Path) -> str:
        copy = tmp_path / "copy"
        for part in ("dispatcher", "config", "job_template"):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        for file, text in changed(title).items():
            (copy / file).parent.mkdir(parents=True, exist_ok=True)
            (copy / file).write_text(text)
        done = subprocess.run(
            [sys.executable, "-B", "-m", "dispatcher", *words],
            env={
                **os.environ,
                "PYTHONPATH": str(copy),
                "PATH": f"{STAND_INS / 'ferry'}:{os.environ['PATH']}",
            },
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.mark.usefixtures("images")
def test_the_new_job_type_takes_its_jobs(site: WriteSite, corpus_job: CorpusJob) -> None:
    site("dispatch_config.json", changed("a job type")["config/dispatch_config.json"])
    script = corpus_job(JOB)
    usual = plan_script(script, load_configuration())
    script.write_text(script.read_text().replace(" --auto_refine", " --auto_refine --helix"))

    helical = plan_script(script, load_configuration())

    assert (usual.job_type, usual.nproc) == ("refine", 13)
    assert (helical.job_type, helical.nproc) == ("refine_helix", 5)


def test_the_new_memory_rule_counts_for_the_new_version_alone(tmp_path: Path) -> None:
    text = changed("a memory rule")["dispatcher/memory/gpu_memory.py"]
    module = loaded("dispatcher.memory", tmp_path, text)
    refinement = Refinement(box=256, source="", classes=1, padding=2)

    for version, saved in (((5, 0), 0), ((6, 0), 100_000_000), (None, 0)):
        now = module.bytes_per_rank(refinement, 4, relion_version=version)
        before = gpu_memory.bytes_per_rank(refinement, 4, relion_version=version)
        assert before - now == saved, version


def loaded(package: str, folder: Path, text: str) -> ModuleType:
    """A module with this text, as if it lay in the package."""
    path = folder / "example.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(f"{package}.example", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    assert spec.name not in sys.modules
    spec.loader.exec_module(module)
    return module


def test_the_new_sentence_is_found_by_what_relion_writes(site: WriteSite) -> None:
    site("endings.json", changed("the sentence for a known failure")["config/endings.json"])

    endings = load_endings()
    text = "no rlnAmplitudeContrast label was found in the CTF parameters"
    found = next(e for e in endings.values() if re.search(e.pattern, text))

    assert found.sentence.startswith("its particles have no CTF parameters")
    assert list(endings).index("no_ctf") < list(endings).index("abort_mpi")


@pytest.mark.usefixtures("images")
def test_the_new_scheduler_gets_jobs_by_its_directives(
    site: WriteSite, corpus_job: CorpusJob, run_with: Run
) -> None:
    site("site.json", {"scheduler": "ferry"})
    script = corpus_job(JOB)

    run_with("a scheduler", "submit", script)

    record = load_record(script.parent / RECORD).merged
    assert (record["job_id"], record["watcher"]) == ("41", {"job_id": "41"})
    job, watcher = (script.parents[2] / "boarded").read_text().splitlines()
    assert job == f"--note=relion-dispatch:{record['token']} Refine3D/job011/run_submit.script.run"
    assert watcher.startswith("--after=41 ")
    assert "\n#FERRY --seats=" in script.with_name("run_submit.script.run").read_text()
    assert "quay | grep" in script.with_name("run_submit.script.lib").read_text()


def test_the_answers_of_the_new_scheduler_are_read(site: WriteSite) -> None:
    site("schedulers/ferry.json", changed("a scheduler")["config/schedulers/ferry.json"])
    ferry = load_site().schedulers["ferry"]
    token = "3f0c00000000"

    queue = f"40 landed for the captain\n41 sailing relion-dispatch:{token}\n"

    assert list(read_jobs(ferry, queue)) == [
        QueuedJob("40", "landed", ""),
        QueuedJob("41", "sailing", token),
    ]
    assert read_end(ferry, "ticket=41 state=sailing") is None
    end = read_end(ferry, "ticket=41 state=landed cause=leak")
    assert end == "its ship had a leak: submit it again"


def test_a_job_uses_the_cards_of_the_new_vendor(
    site: WriteSite, images: Path, corpus_job: CorpusJob, run_with: Run
) -> None:
    images.write_text(images.read_text().replace("nvidia", "acme"))
    site("site.json", {"scheduler": "slurm", "apptainer": {"gpu_option": "--bind=/dev/acme"}})

    plan = json.loads(run_with("a GPU vendor", "plan", "--json", corpus_job(JOB)))

    assert plan["uses_gpu"]
    assert plan["mps"] is False
    assert "ACME_VISIBLE_DEVICES" in plan["environment"]
    assert "--bind=/dev/acme" in next(each["prefix"] for each in plan["commands"] if each["prefix"])


@pytest.mark.usefixtures("images")
def test_the_new_key_of_the_site_reaches_the_job_script(
    site: WriteSite, corpus_job: CorpusJob, run_with: Run
) -> None:
    site("site.json", {"scheduler": "slurm", "watch_gpus": True, "watch_seconds": 30})

    script = run_with("a site key that reaches the job script", "plan", "--script", corpus_job(JOB))

    assert "dispatch_watch_gpus=30\n" in script


def test_the_library_uses_the_new_setting(tmp_path: Path) -> None:
    library = changed("a site key that reaches the job script")["job_template/library/keeper.sh"]
    (tmp_path / "stdbuf").write_text('#!/bin/bash\necho "$@" >"$SAID"\n')
    (tmp_path / "stdbuf").chmod(0o755)
    said = tmp_path / "said"

    subprocess.run(
        ["bash", "-c", f"{library}\nsample_gpus GPU-0 30"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "SAID": str(said)},
        check=True,
    )

    assert said.read_text().endswith("-l 30\n")


def test_the_new_sub_command_answers_and_is_offered(tmp_path: Path, run_with: Run) -> None:
    assert run_with("a sub-command", "where") == f"{tmp_path / 'site'}\n"


def test_each_example_opens_and_changes_as_many_files_as_the_table_says() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    counts = re.findall(r"^\| \[(.*)\]\(#.*\) \| (\d) \| (\d) \|$", page, re.MULTILINE)
    assert len(counts) == 7

    for title, opened, edited in counts:
        (listed,) = re.findall(r"^Opened: (.*?)\.\n\n", section(title), re.DOTALL | re.MULTILINE)
        to_open, to_edit = map(paths, listed.split("Changed:"))
        assert all((ROOT / each).exists() for each in to_open), title
        assert len(to_open) == int(opened), title
        assert len(to_edit) == int(edited), title
        assert {folder_or_file(each, to_edit) for each in changed(title)} == set(to_edit), title


def paths(text: str) -> list[str]:
    """The files and folders of the project that a text names, as links or as code."""
    found = re.findall(r"\[([\w./]+)\]\(|`([\w./]+)`", text)
    return [link or code for link, code in found if "/" in (link or code)]


def folder_or_file(path: str, listed: list[str]) -> str:
    """The folder that is listed for a file, else the file."""
    return next((each for each in listed if each.endswith("/") and path.startswith(each)), path)

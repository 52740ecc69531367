"""The worked examples of CONTRIBUTING.md apply to the project, and do what the page says."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from dispatcher import __version__
from dispatcher.config.configuration import load_configuration
from dispatcher.config.endings import load_endings
from dispatcher.memory import gpu_memory
from dispatcher.memory.refinement import Refinement
from dispatcher.planning.make_plan import plan_script

from ..fixture_types import CorpusJob, WriteSite

ROOT = Path(__file__).parents[2]


def changed(file: str) -> str:
    """The text of a file of the project after the difference that CONTRIBUTING.md has for it."""
    page = (ROOT / "CONTRIBUTING.md").read_text()
    (difference,) = re.findall(
        rf"```diff\n--- a/{file}\n\+\+\+ b/{file}\n@@\n(.*?)```", page, re.DOTALL
    )
    lines = difference.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] in " -")
    after = "".join(line[1:] for line in lines if line[0] in " +")
    text = (ROOT / file).read_text()
    assert text.count(before) == 1, f"the difference for {file} does not apply"
    return text.replace(before, after)


@pytest.mark.usefixtures("images")
def test_the_new_job_type_takes_its_jobs(site: WriteSite, corpus_job: CorpusJob) -> None:
    site("dispatch_config.json", changed("config/dispatch_config.json"))
    script = corpus_job("relion-5.0.1/Refine3D_job011")
    usual = plan_script(script, load_configuration())
    script.write_text(script.read_text().replace(" --auto_refine", " --auto_refine --helix"))

    helical = plan_script(script, load_configuration())

    assert (usual.job_type, usual.nproc) == ("refine", 9)
    assert (helical.job_type, helical.nproc) == ("refine_helix", 5)


def test_the_new_memory_rule_counts_for_the_new_version_alone(tmp_path: Path) -> None:
    module = loaded("dispatcher.memory", tmp_path, changed("dispatcher/memory/gpu_memory.py"))
    refinement = Refinement(box=256, source="", classes=1, padding=2)

    for version, saved in (((5, 0), 0), ((6, 0), 4 * 100_000_000), (None, 0)):
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
    site("endings.json", changed("config/endings.json"))

    endings = load_endings()
    found = next(e for e in endings.values() if re.search(e.pattern, "semop lock error"))

    assert found.sentence.startswith("its ranks could not take turns on a GPU")
    assert list(endings).index("semaphore") < list(endings).index("abort_mpi")


def test_each_example_opens_and_changes_as_many_files_as_the_table_says() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    counts = re.findall(r"^\| \[(.*)\]\(#.*\) \| (\d) \| (\d) \|$", page, re.MULTILINE)
    assert len(counts) == 7

    for title, opened, edited in counts:
        (section,) = re.findall(rf"(?ims)^### {title}\n(.*?)(?=^##|\Z)", page)
        if "TO BE WRITTEN" in section:
            assert __version__ == "0.1.0", f"{title}: write the example before the release"
            continue
        (listed,) = re.findall(r"^Opened: (.*?)\.\n\n", section, re.DOTALL | re.MULTILINE)
        to_open, to_edit = listed.split("Changed:")
        assert len(paths(to_open)) == int(opened), title
        assert len(paths(to_edit)) == int(edited), title


def paths(text: str) -> list[str]:
    """The files and folders of the project that a text names, as links or as code."""
    found = re.findall(r"\[([\w./]+)\]\(|`([\w./]+)`", text)
    named = [link or code for link, code in found if "/" in (link or code)]
    assert all((ROOT / each).exists() for each in named), named
    return named

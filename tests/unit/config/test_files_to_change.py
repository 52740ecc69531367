"""A sentence that tells an admin to change a file names the site's own, never a shipped one."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.config.places import changed_in, shipped_folder
from dispatcher.errors import DispatchError
from dispatcher.planning.make_plan import plan_script
from dispatcher.site.check import problems

from ...fixture_types import CorpusJob, WriteSite


@pytest.fixture
def folder(site: WriteSite) -> Path:
    """A site with a site.json alone, as on a first day."""
    return site("site.json", {"scheduler": "slurm"}).parent


def assert_none_shipped(said: str) -> None:
    for name in ("site.json", "images.json", "endings.json", "job_template"):
        assert str(shipped_folder() / "config" / name) not in said
    assert str(shipped_folder() / "job_template") not in said
    shipped = str(shipped_folder() / "config/dispatch_config.json")
    assert said.replace(f"(begin with a copy of {shipped})", "").count(shipped) == 0


@pytest.mark.parametrize("name", ["site.json", "endings.json", "images.json"])
def test_what_is_laid_upon_the_shipped_needs_no_copy(name: str, folder: Path) -> None:
    assert changed_in(name) == str(folder / name)


def test_what_takes_the_shipped_ones_place_begins_as_a_copy(folder: Path) -> None:
    shipped = shipped_folder() / "config/dispatch_config.json"
    own = folder / "dispatch_config.json"

    assert changed_in(own.name) == f"{own} (begin with a copy of {shipped})"
    own.write_text("{}")
    assert changed_in(own.name) == str(own)


def test_the_appliance_names_no_file_inside_of_its_image(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELION_DISPATCH_HOST", "/tmp/x")

    said = changed_in("dispatch_config.json")

    assert str(shipped_folder()) not in said
    assert "which `relion-dispatch site export` writes" in said


def test_a_first_check_names_the_sites_files(folder: Path) -> None:
    (problem,) = [each for each in problems() if "catalogue" in each]

    assert f"No image is in the catalogue {folder}/images.json yet" in problem
    assert "dispatch_config.json" not in problem
    assert_none_shipped(problem)


def test_an_image_of_another_name_may_be_meant(folder: Path, images: Path) -> None:
    images.write_text(images.read_text().replace('{"relion":', '{"relon":', 1))

    (problem,) = [each for each in problems() if "not in the catalogue" in each]

    assert f"not in the catalogue {folder}/images.json" in problem
    assert f'correct "image" in {folder}/dispatch_config.json (begin with a copy of' in problem
    assert_none_shipped(problem)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("relion_postprocess", "relion_odd", "to add a job type for this program to {}/dispatch_"),
        ("", "", "not in the catalogue {}/images.json"),
    ],
)
def test_a_refused_job_names_the_sites_files(
    old: str, new: str, says: str, folder: Path, corpus_job: CorpusJob
) -> None:
    script = corpus_job("relion-5.0.1/PostProcess_job016")
    (script.parent / "job.star").unlink()
    script.write_text(script.read_text().replace(old, new))

    with pytest.raises(DispatchError) as caught:
        plan_script(script, load_configuration())

    assert says.format(folder) in str(caught.value)
    assert_none_shipped(str(caught.value))


def test_a_missing_template_goes_into_the_sites_folder(
    folder: Path, site: WriteSite, corpus_job: CorpusJob
) -> None:
    site("dispatch_config.json", {"own": {"match_command": "relion_postprocess"}})

    with pytest.raises(DispatchError) as caught:
        plan_script(corpus_job("relion-5.0.1/PostProcess_job016"), load_configuration())

    assert f"add one of own.sh.j2 to {folder}/job_template." in str(caught.value)
    assert_none_shipped(str(caught.value))

"""Which files of a site's folders count, and what is said of the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.config.places import files_in
from dispatcher.dispatch.provenance import provenance
from dispatcher.errors import ConfigError
from dispatcher.job_script.library import read_library
from dispatcher.planning.make_plan import plan_script
from dispatcher.site.check import problems

WriteSite = Callable[..., Path]
CorpusJob = Callable[[str], Path]


def configured(script: Path) -> dict[str, Any]:
    configuration: dict[str, Any] = provenance(
        plan_script(script, load_configuration()), "apptainer"
    )["configuration"]
    return configuration


def test_what_editors_leave_counts_nowhere(
    site: WriteSite, images: Path, corpus_job: CorpusJob
) -> None:
    script = corpus_job("relion-5.0.1/Class3D_job010")
    site("dispatch_config.json", {"submit": {"match_command": "relion_refine", "image": "relion"}})
    site("schedulers/slurm.json", {"timeout": 5})
    site("job_template/library/scratch.sh", "scratch() { true; }\n")
    before = (problems(), read_library("slurm"), configured(script))

    for name in ("schedulers/.#slurm.json", "job_template/.#gpu.sh.j2"):
        path = site(name, "")
        path.unlink()
        path.symlink_to("admin@login.1234:5678")  # as Emacs marks a file that is being changed
    for name in ("schedulers/._slurm.json", "job_template/library/._scratch.sh"):
        site(name, "\0\5\26\7").chmod(0)  # as macOS copies a file's attributes
    site("job_template/schedulers/slurm/.functions.sh", "if")
    site("schedulers/old.json/slurm.json", "{")
    (path.parent / "old.sh").mkdir()

    assert (problems(), read_library("slurm"), configured(script)) == before


def test_files_in_linked_folders_count_and_circles_end(tmp_path: Path) -> None:
    folder = tmp_path / "job_template"
    for each in (folder, tmp_path / "elsewhere"):
        each.mkdir()
    (tmp_path / "elsewhere" / "a.sh").touch()
    (folder / "library").symlink_to("../elsewhere")
    (folder / "back").symlink_to(".")

    assert files_in(folder, ".sh", below=True) == [folder / "library" / "a.sh"]
    assert files_in(folder, ".sh") == []
    assert files_in(tmp_path / "nowhere", ".sh") == []


@pytest.mark.parametrize(
    "name", ["schedulers/slurm.json", "job_template/library/run.sh", "job_template/library"]
)
def test_a_link_to_nothing_is_named(name: str, site: WriteSite) -> None:
    path = site(name, "")
    path.unlink()
    path.symlink_to("nowhere")

    with pytest.raises(ConfigError, match=f"{path} cannot be read .No such file"):
        load_configuration()
        read_library("slurm")


@pytest.mark.parametrize("content", [None, 5, "x", [1]])
@pytest.mark.parametrize("name", ["local", "slurm", "new"])
def test_a_scheduler_that_is_no_object_refuses_the_job_with_a_sentence(
    content: Any, name: str, site: WriteSite
) -> None:
    path = site("site.json", {"schedulers": {name: content}})

    with pytest.raises(ConfigError) as caught:
        load_configuration()

    assert str(caught.value).startswith(
        f'{path}: key "schedulers.{name}": expected a JSON object {{…}}, found '
    )

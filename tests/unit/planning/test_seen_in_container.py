"""Files that lead outside of what the container sees are named before the queue."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.images import container_view
from dispatcher.planning import seen_in_container
from dispatcher.planning.make_plan import plan_script
from dispatcher.planning.seen_in_container import leads_outside, named_paths
from dispatcher.relion.command import parse_command

from ...fixture_types import CorpusJob, WriteSite

JOB = "relion-5.0.1/Refine3D_job011"

pytestmark = pytest.mark.usefixtures("images", "only_what_is_named")


@pytest.fixture
def only_what_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The test's folders are in /tmp, which every container sees: here it does not."""
    monkeypatch.setattr(container_view, "_TMP", ())
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    folder = tmp_path / "other disk"
    folder.mkdir()
    return folder


def warnings(script: Path) -> list[str]:
    return list(plan_script(script, load_configuration()).warnings)


def move(path: Path, disk: Path) -> None:
    """Move something to the other disk, and leave a link."""
    path.rename(disk / path.name)
    path.symlink_to(disk / path.name)


def test_a_project_whose_files_are_all_inside_has_no_warning(corpus_job: CorpusJob) -> None:
    assert warnings(corpus_job(JOB)) == []


def test_a_link_to_another_disk_is_named(corpus_job: CorpusJob, project: Path, disk: Path) -> None:
    script = corpus_job(JOB)
    name = next(iter(_inputs(script)))
    move(project / name, disk)

    (warning,) = warnings(script)

    assert warning.startswith(f"The container will not see {name} (--")
    assert f"leads to {disk / Path(name).name}, which is not in the project" in warning


def _inputs(script: Path) -> list[str]:
    """What the script's command names in the project."""
    words = script.read_text().split()
    project = script.parents[2]
    return [word for word in words if "/" in word and (project / word).is_file() and word[0] != "R"]


def test_a_job_folder_on_another_disk_is_named(corpus_job: CorpusJob, disk: Path) -> None:
    script = corpus_job(JOB)
    move(script.parent, disk)

    (warning,) = warnings(script)

    assert warning.startswith("The container will not see Refine3D/job011 (the job's folder):")


def test_a_folder_of_bind_is_seen(corpus_job: CorpusJob, disk: Path, site: WriteSite) -> None:
    script = corpus_job(JOB)
    move(script.parent, disk)
    site("site.json", {"apptainer": {"bind": [str(disk)]}})

    assert warnings(script) == []


@pytest.mark.parametrize(
    "options",
    [
        ["--bind=DISK"],
        ["-B", "/x:/y,DISK"],
        ["-BDISK"],
        ["--mount=type=bind,source=DISK,destination=DISK"],
        ["--mount", "type=bind,source=DISK,dst=DISK"],
    ],
)
def test_what_the_sites_own_options_bind_is_seen(
    options: list[str], corpus_job: CorpusJob, disk: Path, site: WriteSite
) -> None:
    script = corpus_job(JOB)
    move(script.parent, disk)
    words = [word.replace("DISK", str(disk)) for word in options]
    site("site.json", {"apptainer": {"options": words}})

    assert warnings(script) == []


def test_what_apptainers_configuration_binds_is_seen(
    corpus_job: CorpusJob, disk: Path, site: WriteSite, tmp_path: Path
) -> None:
    script = corpus_job(JOB)
    move(script.parent, disk)
    program = tmp_path / "apptainer" / "bin" / "apptainer"
    conf = tmp_path / "apptainer" / "etc" / "apptainer" / "apptainer.conf"
    for path in (program, conf):
        path.parent.mkdir(parents=True)
        path.touch(0o755)
    site("site.json", {"apptainer": {"program": str(program)}})
    (before,) = warnings(script)
    conf.write_text(f"bind path = {disk}\n")

    assert "will not see Refine3D/job011" in before
    assert warnings(script) == []


@pytest.mark.parametrize("options", [[], ["--containall"], ["--no-home"], ["--no-mount=tmp,home"]])
def test_a_home_that_the_site_keeps_out_is_not_seen(
    options: list[str], corpus_job: CorpusJob, site: WriteSite, tmp_path: Path
) -> None:
    script = corpus_job(JOB)
    (tmp_path / "home").mkdir()
    move(script.parent, tmp_path / "home")
    site("site.json", {"apptainer": {"options": options}})

    found = warnings(script)

    if options:
        (warning,) = found
        assert f"leads to {tmp_path}/home/job011, which is not in the project or in" in warning
    else:
        assert found == []


def test_the_first_image_of_the_particles_is_looked_at(
    corpus_job: CorpusJob, project: Path, disk: Path
) -> None:
    script = corpus_job(JOB)
    (particles,) = (each for each in _inputs(script) if each.endswith(".star"))
    (project / "Linked").symlink_to(disk)
    (project / particles).write_text(
        "data_optics\n\nloop_\n_rlnOpticsGroup\n_rlnImageSize\n_rlnImageDimensionality\n"
        "_rlnImagePixelSize\n1 256 2 1.0\n\n"
        "data_particles\n\nloop_\n_rlnImageName\n_rlnOpticsGroup\n000001@Linked/a.mrcs 1\n"
    )

    (warning,) = warnings(script)

    assert f"will not see Linked/a.mrcs (the first image of {particles}):" in warning


TILTS = "data_T1\n\nloop_\n_rlnMicrographMovieName\n_rlnMicrographName\n"


@pytest.mark.parametrize(
    ("job", "named"),
    [
        ("AlignTiltSeries_job027", "CtfFind/job1/tilt_series_ctf.star"),
        ("Tomograms_job029", "A/job1/aligned.star"),
    ],
)
def test_the_first_image_of_a_tilt_series_is_looked_at(
    job: str, named: str, corpus_job: CorpusJob, project: Path, disk: Path
) -> None:
    """The images that the movies have become: these are gone, or elsewhere."""
    script = corpus_job(f"relion-5.0.1/{job}")
    (project / "Linked").symlink_to(disk)
    series = f"{Path(named).parent}/tilt_series/T1.star"
    (project / series).parent.mkdir(parents=True)
    (project / series).write_text(f"{TILTS}raw/T1.eer Linked/T1.mrc\n")
    (project / named).write_text(
        f"data_global\n\nloop_\n_rlnTomoName\n_rlnTomoTiltSeriesStarFile\nT1 {series}\n"
    )

    (warning,) = (each for each in warnings(script) if "not see Linked" in each)

    assert f"will not see Linked/T1.mrc (the first image of {series}):" in warning


def test_each_table_of_an_optimisation_set_is_looked_at(project: Path, disk: Path) -> None:
    tables = {
        "set.star": "data_\n\n_rlnTomoParticlesFile a.star\n_rlnTomoTomogramsFile b.star\n"
        "_rlnTomoTrajectoriesFile None\n",
        "a.star": "data_particles\n\nloop_\n_rlnImageName\n1@In/a.mrcs\n",
        "b.star": "data_global\n\nloop_\n_rlnTomoTiltSeriesStarFile\n"
        "_rlnTomoReconstructedTomogram\nc.star In/b.mrc\n",
        "c.star": f"{TILTS}raw/c.eer In/c.mrc\n",
    }
    for name, text in tables.items():
        (project / name).write_text(text)

    found = list(named_paths([parse_command("relion_tomo_subtomo --i set.star")], project))

    paths = ["a.star", "In/a.mrcs", "b.star", "c.star", "In/c.mrc", "In/b.mrc"]
    assert [each.path for each in found] == paths


def test_a_table_that_names_itself_ends(project: Path) -> None:
    (project / "a.star").write_text("data_\n\n_rlnTomoParticlesFile a.star\n")

    found = list(named_paths([parse_command("relion_x --i a.star")], project))

    assert {each.path for each in found} == {"a.star"}


def test_a_name_with_a_blank_and_names_in_a_list_are_looked_at(project: Path, disk: Path) -> None:
    for name in ("a b.mrc", "c.mrc", "d.mrc"):
        (disk / name).touch()
    (project / "In").symlink_to(disk)
    commands = [
        parse_command(
            "relion_x --i 'In/a b.mrc' --ref \"In/c.mrc 1@In/d.mrc\" --o $A/b --x In/gone"
        )
    ]

    found = [named.path for named in named_paths(commands, project)]

    assert found == ["In/a b.mrc", "In/c.mrc", "In/d.mrc", "In"]


@pytest.mark.parametrize("here", [True, False])
def test_a_program_on_the_host_is_named_unless_only_the_image_can_have_it(
    here: bool, corpus_job: CorpusJob, disk: Path
) -> None:
    script = corpus_job("relion-5.0.1/CtfFind_job003")
    program = disk.with_name("software") / "ctffind"
    program.parent.mkdir()
    if here:
        program.touch()
    words = script.read_text().split(" ")
    words[words.index("--ctffind_exe") + 1] = str(program)
    script.write_text(" ".join(words))

    found = warnings(script)

    if here:
        (warning,) = found
        assert f"The container will not see {program} (--ctffind_exe), unless the image" in warning
    else:
        assert found == []


def test_a_job_on_the_host_sees_all(corpus_job: CorpusJob, disk: Path) -> None:
    script = corpus_job("relion-5.0.1/External_job023")
    move(script.parent, disk)

    assert warnings(script) == []


def test_a_disk_that_does_not_answer_keeps_nobody_waiting(
    corpus_job: CorpusJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen_in_container, "_PATIENCE", 0.1)
    monkeypatch.setattr(seen_in_container, "leads_outside", lambda *_: time.sleep(30))
    began = time.monotonic()

    assert warnings(corpus_job(JOB)) == []

    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("path", "outside"),
    [
        ("project/a", None),
        ("project/gone/b", None),
        ("project/to_disk/b", "disk/b"),
        ("project/relative/b", "disk/b"),
        ("project/chain/b", "disk/b"),
        ("project/to_bound/b", None),
        ("project/to_project/a", None),
        ("project/loop/b", None),
        ("project/../disk/b", "disk/b"),
        ("disk/back/a", "disk/back/a"),
        ("alias/a", "alias/a"),
    ],
)
def test_links_are_followed_as_the_container_would(
    path: str, outside: str | None, tmp_path: Path
) -> None:
    for name in ("project", "disk", "bound"):
        (tmp_path / name).mkdir()
    links = {
        "project/to_disk": tmp_path / "disk",
        "project/relative": "../disk",
        "project/chain": "to_disk",
        "project/to_bound": tmp_path / "bound",
        "project/to_project": tmp_path / "project",
        "project/loop": "loop",
        "disk/back": tmp_path / "project",
        "alias": tmp_path / "project",
    }
    for name, target in links.items():
        (tmp_path / name).symlink_to(target)

    found = leads_outside(tmp_path / path, [tmp_path / "project", tmp_path / "bound"])

    assert found == (outside and tmp_path / outside)


def test_a_root_that_is_itself_reached_by_a_link_is_seen_at_its_own_path(tmp_path: Path) -> None:
    (tmp_path / "real" / "project").mkdir(parents=True)
    (tmp_path / "data").symlink_to("real")
    project = tmp_path / "data" / "project"

    assert leads_outside(project / "a", [project]) is None
    assert leads_outside(tmp_path / "real" / "project" / "a", [project]) is not None

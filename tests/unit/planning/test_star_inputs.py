"""A job is refused, or warned of, if RELION would stop at one of its STAR files."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from dispatcher.errors import InputError
from dispatcher.planning.star_inputs import star_warnings
from dispatcher.relion.command import parse_command

from ...fixture_types import CorpusJob, WriteSite
from ..memory.refinement_files import mrc
from .planned import CLASSIC, REFINE, plan

PIN = '{"images": {"relion": {"version": "3.1.3"}}}'
SPIDER = (
    "data_\n\nloop_\n_rlnVoltage #1\n_rlnMicrographName #2\n_rlnImageName #3\n"
    "300 m1.mrc 1@Extract/job006/a.spi\n300 m1.mrc 2@Extract/job006/a.spi\n"
)


def to_windows(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize(
    ("job", "file"),
    [
        (REFINE, "Select/job007/particles.star"),
        ("relion-5.0.1/MultiBody_job012", "Refine3D/job011/run_optimiser.star"),
        ("relion-5.0.1/MultiBody_job012", "Refine3D/job011/run_model.star"),
        ("relion-5.0.1/MultiBody_job012", "bodies.star"),
    ],
)
def test_windows_line_ends_are_refused_before_the_queue(
    job: str, file: str, project: Path, corpus_job: CorpusJob
) -> None:
    to_windows(project / file)
    with pytest.raises(InputError) as caught:
        plan(corpus_job(job))
    assert f"{project / file}, line 1, ends in CR+LF" in str(caught.value)
    assert "sed -i" in str(caught.value)
    assert str(caught.value).endswith("RELION 5.1.0 would stop there.")


@pytest.mark.usefixtures("images")
def test_the_version_that_the_project_is_pinned_to_decides(
    project: Path, corpus_job: CorpusJob
) -> None:
    (project / ".relion_dispatch.json").write_text(PIN)
    path = project / "Select/job007/particles.star"
    head, rows = path.read_bytes().split(b"loop_\n_rlnImageName")
    path.write_bytes(head + b"loop_\n_rlnImageName" + rows.replace(b"\n", b"\r\n"))
    assert plan(corpus_job("relion-3.1.4/Refine3D_job005")).warnings == ()  # 3.1.3 reads this
    to_windows(path)
    (warning,) = plan(corpus_job("relion-3.1.4/Refine3D_job005")).warnings
    assert "RELION 3.1 reads only in a file of one loop" in warning
    assert warning.endswith("RELION 3.1.3 may stop there.")


def test_without_a_known_version_there_is_a_warning(
    project: Path, corpus_job: CorpusJob, site: WriteSite
) -> None:
    to_windows(project / "Select/job007/particles.star")
    on_the_host = {name: {**CLASSIC[name]} for name in ("submit", "gpu", "refine")}  # type: ignore[dict-item]
    del on_the_host["gpu"]["image"]
    site("dispatch_config.json", on_the_host)
    (warning,) = plan(corpus_job(REFINE)).warnings
    assert warning.endswith("or with dos2unix. RELION may stop there.")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("relion_preprocess --i w.star --o E/", True),
        ("relion_star_handler --combine --i ' u.star  w.star ' --o j.star", True),
        ("relion_ctf_refine_mpi --i=u.star --f w.STAR:star", True),
        ("relion_tomo_subtomo --i set.star", True),
        ("relion_refine --ios set.star", True),
        ("relion_import --do_particles --i w.star --odir I/ --ofile w.star", True),
        ("relion_import --do_coordinates --i w.star --odir I/ --ofile c.star", False),
        ("relion_import --do_other --i w.star --odir I/ --ofile w.star", False),
        ("relion_import --do_halfmaps --i w.star --odir I/ --ofile w.star", False),
        ("relion_import --do_movies --i m.tif --optics_group_mtf w.star --odir I/", False),
        ("relion_star_handler --i u.star --o w.star", False),
        ("relion_refine --i u.star --ref none.star", False),
        ("relion_refine --i $DATA/w.star", False),
        ("relion_python_dynamight w.star", False),
        ("cp w.star v.star", False),
    ],
)
def test_which_words_of_a_command_are_looked_at(tmp_path: Path, line: str, found: bool) -> None:
    (tmp_path / "u.star").write_bytes(b"data_\n\n_rlnX 1\n")
    for name in ("w.star", "w.STAR"):
        (tmp_path / name).write_bytes(b"data_\r\n\r\n_rlnX 1\r\n")
    (tmp_path / "set.star").write_text("data_\n\n_rlnTomoParticlesFile w.star\n")
    warnings = star_warnings([parse_command(line)], tmp_path, None)
    assert bool(warnings) is found
    if found:
        with pytest.raises(InputError, match=r"RELION 5\.0 would stop"):
            star_warnings([parse_command(line)], tmp_path, "5.0")


@pytest.mark.parametrize("name", ["a.mrcs", "a.mrc:mrcs", "particles.txt"])
def test_particles_that_are_in_no_star_file_are_refused(tmp_path: Path, name: str) -> None:
    command = parse_command(f"relion_refine --i {name} --K 2")
    with pytest.raises(InputError, match=f"--i names {name}, but RELION 3.1 and newer"):
        star_warnings([command], tmp_path, "4.0.1")
    for version in (None, "3.1.3"):
        assert len(star_warnings([command], tmp_path, version)) == 1
    other = parse_command(f"relion_image_handler --i {name}")
    assert star_warnings([other], tmp_path, "5.0") == ()


@pytest.mark.parametrize(
    ("image", "reference", "found"),
    [
        ("1@a.st", "r.mrc", ["RELION 3.1 reads 1@a.st as a SPIDER file"]),
        ("1@a.mrcs", "r.MAP", ["RELION 3.1 reads r.MAP as a SPIDER file"]),
        ("1@a.st:mrcs", "r.map:mrc", []),
        ("1@a.mrcs", "r.star", []),
        ("1@a.mrcs", "None", []),
        ("1@a.spi", "r.vol", []),
        ("1@a.map", "r.mrc", ["RELION 3.1 reads 1@a.map as a SPIDER file"]),
        ("1@a.mrcs", "r.mrc --solvent_mask m.map", ["RELION 3.1 reads m.map as a SPIDER file"]),
    ],
)
def test_images_that_relion_3_1_takes_for_spider_are_a_warning(
    tmp_path: Path, image: str, reference: str, found: list[str]
) -> None:
    # RELION 3.1.3: "Invalid Spider file"; 5.1.0 reads both.
    (tmp_path / "p.star").write_text(f"data_\n\nloop_\n_rlnImageName #1\n{image}\n")
    command = parse_command(f"relion_refine --i p.star --ref {reference}")
    warnings = star_warnings([command], tmp_path, "3.1.3")
    assert [warning.partition(",")[0] for warning in warnings] == found
    assert star_warnings([command], tmp_path, "5.1.0") == ()


@pytest.mark.parametrize(
    ("image", "reference", "version", "refused"),
    [
        ("1@a.mrcs", "r.map", "4.0.2", "RELION 4.0 reads r.map as a SPIDER file, and RELION 5.0"),
        ("1@a.map", "r.mrc", "4.0.2", "write 1@a.map:mrcs, or rename the file to .mrcs"),
        ("1@a.st", "r.map:mrc", "4.0.2", ""),
        ("1@a.st", "spider.map", "4.0.2", ""),
        ("1@a.st", "$MAPS/r.map", "4.0.2", ""),
        ("1@a.st", "r.map", "5.0.1", ""),
    ],
)
def test_maps_that_relion_4_0_takes_for_spider_are_refused(
    image: str, reference: str, version: str, refused: str, tmp_path: Path
) -> None:
    (tmp_path / "r.map").write_bytes(mrc(64, 64))
    header = {0: 64, 1: 64, 4: 3, 11: 64, 12: 4, 21: 1024, 22: 256}  # a volume of 64 pixels
    words = struct.pack("<256f", *(header.get(at, 0) for at in range(256)))
    (tmp_path / "spider.map").write_bytes(words)
    (tmp_path / "p.star").write_text(f"data_\n\nloop_\n_rlnImageName #1\n{image}\n")
    command = parse_command(f"relion_refine --i p.star --ref {reference}")
    if refused:
        with pytest.raises(InputError, match=refused) as caught:
            star_warnings([command], tmp_path, version)
        assert str(caught.value).endswith(f"RELION {version} would stop there.")
    else:
        assert star_warnings([command], tmp_path, version) == ()


@pytest.mark.usefixtures("images")
def test_a_job_without_a_box_size_is_planned_and_the_plan_says_so(
    project: Path, corpus_job: CorpusJob
) -> None:
    (project / "Extract/job006/particles.star").write_text(SPIDER)
    (project / "Extract/job006/a.spi").touch()
    planned = plan(corpus_job("relion-5.0.1/Class2D_job007"))
    assert any("does not read Extract/job006/a.spi, a SPIDER file" in r for r in planned.reasons)
    assert (planned.gpu_fit.box_size, planned.gpu_fit.host_memory) == (None, None)
    assert planned.gpu_fit.not_done == "the box size is not known here"
    assert planned.nproc > 1

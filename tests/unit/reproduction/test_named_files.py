"""The files that a STAR file names."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.errors import InputError
from dispatcher.reproduction.named_files import named_files


def test_files_named_in_a_star_file(tmp_path: Path) -> None:
    (tmp_path / "particles.star").write_text(
        "\n# version 50001\n\ndata_optics\n\nloop_ \n_rlnOpticsGroup #1 \n_rlnMtfFileName #2 \n"
        "_rlnImageSize #3\n 1 mtf.star 64\n\n\n# version 50001\n\ndata_particles\n\nloop_\n"
        "_rlnImageName #1\n_rlnMicrographName #2\n_rlnOpticsGroup #3\n"
        "000001@a.mrcs m.mrc 1\n000002@a.mrcs m.mrc 1\n000001@'b c.mrcs' m.mrc 1\n"
        "\n".replace("000001@'b c.mrcs'", "'000001@b c.mrcs'")
    )
    (tmp_path / "run_optimiser.star").write_text(
        "data_optimiser_general\n\n_rlnExperimentalDataStarFile particles.star\n"
        "_rlnModelStarFile model.star\n_rlnSolventMaskName None\n_rlnSolventMask2Name mask.mrc\n"
    )
    for name in ("mtf.star", "m.mrc", "mask.mrc"):
        (tmp_path / name).touch()
    images = {"mtf.star": False, "a.mrcs": True, "b c.mrcs": True}

    assert named_files(tmp_path / "particles.star", tmp_path) == images
    assert named_files(tmp_path / "run_optimiser.star", tmp_path) == images | {
        "particles.star": True,
        "model.star": True,
        "mask.mrc": False,
    }


def test_micrographs_count_where_they_are_the_images(tmp_path: Path) -> None:
    (tmp_path / "micrographs.star").write_text(
        "data_micrographs\n\nloop_\n_rlnMicrographName #1\n_rlnCtfImage #2\n"
        "m1.mrc m1.ctf:mrc\nm2.mrc m2.ctf:mrc\n"
    )

    assert named_files(tmp_path / "micrographs.star", tmp_path) == {"m1.mrc": True, "m2.mrc": True}


def test_names_and_tables_as_other_programs_write_them(tmp_path: Path) -> None:
    (tmp_path / "particles.star").write_text(
        "\ufeff# written elsewhere\ndata_particles\n  loop_ # of particles\n\t_rlnImageName\n"
        "_rlnCtfImage\t#2\n# a remark\n_rlnOpticsGroup #3\n\n"
        "1@a.mrc:mrcs a.ctf:mrc 1\n2@a.mrc:MRCS\t'b.ctf:mrc'\t1 # the last\n\n"
        "data_optics\nloop_\n_rlnOpticsGroup\n_rlnMtfFileName\n1 mtf.star\n"
    )
    for name in ("a.mrc", "a.ctf", "b.ctf", "mtf.star"):
        (tmp_path / name).touch()
    expected = {"a.mrc": True, "a.ctf": False, "b.ctf": False, "mtf.star": False}
    assert named_files(tmp_path / "particles.star", tmp_path) == expected


def test_a_star_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "particles.star"
    path.write_text(
        "data_particles\n\nloop_\n_rlnImageName #1\n_rlnX #2\n_rlnOpticsGroup #3\n"
        "1@a.mrcs 5 1\n2@a.m"
    )

    with pytest.raises(InputError, match="cut short"):
        named_files(path, tmp_path)

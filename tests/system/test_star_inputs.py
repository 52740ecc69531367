"""What real RELION makes of a particle file is what the dispatcher expects of it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import mrcfile
import pytest

from dispatcher.errors import BoxUnknown, InputError
from dispatcher.memory.read_refinement import refinement_of
from dispatcher.planning.star_inputs import star_warnings
from dispatcher.relion.command import parse_command

OPTIONS = (
    "--K 1 --iter 1 --pad 1 --particle_diameter 100 --tau2_fudge 2 --offset_range 2 --psi_step 30"
)
RUN_ALL = f"""while read -r name; do
  mkdir -p out_$name
  relion_refine --i $name --o out_$name/run {OPTIONS} > out_$name/log 2>&1 < /dev/null
done < names"""
OLD = (
    "data_\n\nloop_\n_rlnVoltage #1\n_rlnSphericalAberration #2\n_rlnAmplitudeContrast #3\n"
    "_rlnMagnification #4\n_rlnDetectorPixelSize #5\n_rlnMicrographName #6\n_rlnImageName #7\n"
)
BOX = 32


def old_file(stack: str) -> str:
    """A particle file as RELION 3.0 wrote them."""
    rows = (f"300.0 2.7 0.1 10000 4.0 m1.mrc {n:06}@{stack}\n" for n in range(1, 9))
    return OLD + "".join(rows) + "\n"


def variants(plain: str) -> dict[str, str]:
    """The file `plain`, and what other programs and editors could have made of it."""
    optics, particles = re.split(r"(?=\n# version 30001\n\ndata_particles)", plain)
    label = "_rlnAngleTilt"
    return {
        "plain.star": plain,
        "upper.STAR": plain,
        "plain.txt:star": plain,
        "no_ending": plain,
        "behind.star": particles + "\n" + optics,
        "general.star": plain + "\ndata_general\n\n_rlnTomoSubTomosAre2DStacks 0\n\n",
        "mark.star": "\ufeff" + plain.lstrip(),
        "mark_data.star": "\ufeff" + plain[plain.index("data_optics") :],
        "tabs.star": plain.replace("     ", "\t").replace(" #", "\t#"),
        "no_numbers.star": re.sub(r" #\d+ *", "", plain),
        "no_blank.star": plain.replace(" #", "#"),
        "capitals_loop.star": plain.replace("loop_", "LOOP_"),
        "capitals_data.star": plain.replace("data_", "DATA_"),
        "capitals_name.star": plain.replace("data_particles", "data_Particles"),
        "capitals_label.star": plain.replace("_rlnImageName", "_RLNImageName"),
        "loop.star": plain.replace("loop_", "  loop_ # rows"),
        "blanks.star": plain.replace("data_optics", "  data_optics  "),
        "tab.star": plain.replace("data_optics", "data_optics\t"),
        "comment.star": plain.replace("data_optics", "data_optics # remark"),
        "comments.star": plain.replace(label, f"# a\n\n; b\n{label}"),
        "comment_data.star": "# see data_optics of mydata_tool\n" + plain,
        "quotes.star": re.sub(r"(\d+@\S+)", r'"\1"', plain).replace(" optics1 ", " 'optics1' "),
        "last_line.star": plain.rstrip(),
        "right_behind.star": optics.rstrip() + "\ndata_particles" + particles[33:],
        "comment_behind.star": optics.rstrip() + particles,
        "images.star": plain.replace("data_particles", "data_images"),
        "no_optics.star": particles,
        "no_size.star": plain.replace("_rlnImageSize", "_rlnRandomSubset"),
        "windows.star": plain.replace("\n", "\r\n"),
        "windows_rows.star": plain.replace("@a.mrcs \n", "@a.mrcs \r\n"),
        "windows_blank.star": "\r\n" + plain,
        "mac.star": plain.replace("\n", "\r"),
        "suffix.star": plain.replace("@a.mrcs", "@a.mrc:mrcs"),
        "suffix_capitals.star": plain.replace("@a.mrcs", "@a.dat:MRCS"),
        "capitals.star": plain.replace("@a.mrcs", "@a.MRCS"),
        "st.star": plain.replace("@a.mrcs", "@a.st"),
        "percent.star": plain.replace("@a.mrcs", "@a.mrcs%x"),
        "map.star": plain.replace("@a.mrcs", "@a.mrc"),
        "hash.star": plain.replace("@a.mrcs", "@a#1.mrcs"),
        "old.star": old_file("a.mrcs"),
        "old_images.star": old_file("a.mrcs").replace("data_", "data_images", 1),
        "old_windows.star": old_file("a.mrcs").replace("\n", "\r\n"),
        "old_suffix.star": old_file("a.mrc:mrcs"),
        "old_map.star": old_file("a.mrc"),
        "old_second.star": "data_general\n\n_rlnVoltage 300\n\n" + old_file("a.mrcs"),
        "old_spider.star": old_file("a.spi"),
    }


def spider_stack(stack: Path) -> bytes:
    """The images of an MRC stack as a SPIDER stack: a header of 1024 bytes before each image."""
    import numpy as np

    with mrcfile.open(stack) as file:
        images = np.asarray(file.data, np.float32)

    def header(is_stack: int, most: int, number: int) -> bytes:
        values = np.zeros(256, np.float32)
        values[[0, 1, 4, 11, 12, 21, 22]] = (1, BOX, 1, BOX, 8, 1024, 4 * BOX)
        values[[23, 25, 26]] = (is_stack, most, number)
        return values.tobytes()

    each = (header(0, 0, n) + image.tobytes() for n, image in enumerate(images, 1))
    return header(2, len(images), 0) + b"".join(each)


@pytest.mark.parametrize("major", ["3", "5"])
def test_relion_reads_what_is_planned_and_stops_at_what_is_refused(
    tmp_path: Path, particles: Path, images: dict[str, Path], versions: dict[str, str], major: str
) -> None:
    head, *rows = re.split(r"(?=^.*@)", (particles / "particles.star").read_text(), flags=re.M)
    plain = "".join((head, *rows[:12], "\n"))
    # RELION 3.1 does not take files of a version that is newer than itself.
    plain = plain.replace("50001", "30001").replace("@particles.mrcs", "@a.mrcs")
    files = variants(plain)
    for name, text in files.items():
        (tmp_path / name.partition(":")[0]).write_bytes(text.encode())
    for name in ("a.mrcs", "a.mrc", "a.MRCS", "a.dat", "a.st", "a#1.mrcs"):
        (tmp_path / name).write_bytes((particles / "particles.mrcs").read_bytes())
    (tmp_path / "a.spi").write_bytes(spider_stack(particles / "particles.mrcs"))
    (tmp_path / "names").write_text("".join(f"{name}\n" for name in files))
    container = [os.environ["RELION_TEST_APPTAINER"], "exec", "--bind", tmp_path]
    container += ["--pwd", tmp_path, images[major]]
    subprocess.run([*container, "bash", "-c", RUN_ALL], capture_output=True, timeout=600)

    def by_relion(name: str) -> bool:
        model = tmp_path / f"out_{name}" / "run_it001_model.star"
        return model.is_file() and f"_rlnOriginalImageSize {BOX}" in re.sub(
            " +", " ", model.read_text()
        )

    def by_us(name: str) -> bool:
        command = parse_command(f"relion_refine --i {name} --o out/run {OPTIONS}")
        try:
            if star_warnings([command], tmp_path, versions[major]):
                return False
            assert refinement_of(command, tmp_path).box == BOX
        except BoxUnknown:
            assert name == "old_spider.star"
        except InputError:
            return False
        return True

    relion, ours = ({name: by(name) for name in files} for by in (by_relion, by_us))
    assert ours == relion
    assert 15 < sum(relion.values()) < len(files) - 10

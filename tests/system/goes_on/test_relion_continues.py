"""Real RELION goes on in place with a refinement that was cut, as a job script tells it to.

The uncut refinement runs first. Then a copy of its folder is left as a kill leaves it, goes on, and
must end with the same files.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from dispatcher.relion import star

from .refinement_files import iteration, kinds, leave_cut, names, prepare
from .refinements import BODIES, CLASS3D, JOBS, REFINE3D, Refinement
from .relion_alone import Run, options_that_warn

# In the optimiser's file, what follows from the particles: RELION draws other random perturbations
# of the sampling when it continues. All else is what the user, or RELION at the beginning, has set.
OF_THE_PARTICLES = re.compile(
    "Changes|Accuracy|Resolution|NumberOfIter|SmallestChanges|HasConverged|HasHighFsc|HasLarge"
    "|IncrementImageSize|SgdCurrent|GradCurrent|SubsetOrder|Suspend|MaximumCoarse|SgdSubset"
)


@pytest.fixture(scope="module", params=["3", "5"])
def major(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def project(major: str, particles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which no refinement was cut."""
    folder = tmp_path_factory.mktemp(f"uncut{major}")
    prepare(folder, particles)
    return folder


def settings(optimiser: Path) -> dict[str, str]:
    """What an optimiser's file has that does not follow from the particles."""
    lines = (line.split() for line in optimiser.read_text().splitlines() if line.startswith("_rln"))
    found = {words[0]: " ".join(words[1:]) for words in lines}
    return {label: value for label, value in found.items() if not OF_THE_PARTICLES.search(label)}


def goes_on_like_uncut(
    refinement: Refinement, project: Path, folder: Path, image: Path, version: tuple[int, int]
) -> None:
    said_first = Run(project, image).from_the_beginning(refinement)
    shutil.copytree(project, folder, dirs_exist_ok=True)
    uncut, job = project / refinement.job, folder / refinement.job
    leave_cut(job, refinement.after)
    begun = {name: (job / name).stat().st_mtime_ns for name in names(job)}

    said = Run(folder, image).from_where_it_was_cut(refinement, version)

    assert f"goes on from iteration {refinement.after}." in said
    assert options_that_warn(said) <= options_that_warn(said_first)
    if refinement.converges:
        assert kinds(job) == kinds(uncut)
    else:
        assert names(job) == names(uncut)
    before = {
        name for name in begun if (at := iteration(name)) is not None and at < refinement.after
    }
    assert before
    assert {name: (job / name).stat().st_mtime_ns for name in before} == {
        name: begun[name] for name in before
    }
    for file in job.glob("*.star"):
        values = [line for line in file.read_text().splitlines() if not line.startswith("#")]
        assert not [line for line in values if "./" in line or "dispatch" in line], file
    following = min(at for at in map(iteration, names(uncut)) if at and at > refinement.after)
    optimiser = f"run_it{following:03}_optimiser.star"
    assert settings(job / optimiser) == settings(uncut / optimiser)
    assert not list(folder.glob("*run*")), "a file of the run beside the job's folder"


@pytest.mark.parametrize(
    ("major", "refinement"),
    [(major, refinement) for major, jobs in JOBS.items() for refinement in jobs],
    ids=[f"{refinement.job}-{major}" for major, jobs in JOBS.items() for refinement in jobs],
    indirect=["major"],
)
def test_a_refinement_goes_on_in_place(
    refinement: Refinement, major: str, project: Path, tmp_path: Path, images: dict[str, Path]
) -> None:
    goes_on_like_uncut(refinement, project, tmp_path, images[major], (int(major), 1))


@pytest.mark.parametrize(
    ("refinement", "maps", "of_halves"),
    [
        (CLASS3D, ["it004_class001.mrc", "it004_class002.mrc"], []),
        (
            REFINE3D._replace(after=1),  # two more iterations
            ["class001.mrc"],
            ["half1_class001_unfil.mrc", "half2_class001_unfil.mrc"],
        ),
    ],
    ids=["Class3D", "Refine3D"],
)
def test_a_refinement_that_goes_on_is_that_of_one_continued_by_hand(
    refinement: Refinement,
    maps: list[str],
    of_halves: list[str],
    major: str,
    project: Path,
    tmp_path: Path,
    images: dict[str, Path],
) -> None:
    """Bit for bit, with one thread, a fixed seed and one follower for each half set. It is not that
    of an uncut one: RELION draws new perturbations of the sampling, and its files keep six digits.
    """
    uncut = project / refinement.job
    if not uncut.exists():
        Run(project, images[major]).from_the_beginning(refinement)
    by_itself, by_hand = tmp_path / "by itself", tmp_path / "by hand"
    for folder in (by_itself, by_hand):
        shutil.copytree(project, folder)
        leave_cut(folder / refinement.job, refinement.after)

    Run(by_itself, images[major]).from_where_it_was_cut(refinement, (int(major), 1))
    Run(by_hand, images[major]).by_hand(refinement)

    for final in (*maps, *of_halves):
        found = mrcfile.read(by_itself / refinement.job / f"run_{final}")
        hand = mrcfile.read(by_hand / refinement.job / f"run_ct{refinement.after}_{final}")
        assert np.array_equal(found, hand), final
    for final in maps:  # a half set's own map is mostly noise
        found = mrcfile.read(by_itself / refinement.job / f"run_{final}")
        assert np.corrcoef(found.ravel(), mrcfile.read(uncut / f"run_{final}").ravel())[0, 1] > 0.8


def test_bodies_go_on_in_place_from_their_own_iterations(
    major: str, project: Path, tmp_path: Path, images: dict[str, Path]
) -> None:
    before = project / REFINE3D.job
    if not before.exists():
        Run(project, images[major]).from_the_beginning(REFINE3D)
    last = max(before.glob("run_it*_optimiser.star")).relative_to(project)
    bodies = BODIES._replace(options=BODIES.options.format(optimiser=last))
    goes_on_like_uncut(bodies, project, tmp_path, images[major], (int(major), 1))
    model = max((tmp_path / bodies.job).glob("run_it*_half1_model.star"))
    assert len(star.read_block(model, "model_bodies").column("_rlnReferenceImage")) == 2

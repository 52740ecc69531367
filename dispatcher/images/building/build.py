"""Building an image from its recipe, as an ordinary user: whole and tested, or not at all."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ...config.apptainer_variables import hidden_from_builds
from ...config.site import Site
from ...errors import ImageError, WriteError
from ...host.file_lock import locked
from ...host.programs import Finished
from ...units import bytes_of
from .. import apptainer
from ..add import Added, NewImage, add, check_name, check_word
from ..edit_catalogue import check_editable, own_catalogue
from ..inspect import inspect
from ..machine_lacks import machine_lacks
from ..sif import read_header
from .definition import check, declared_arguments, read_definition
from .failure import failed_build, failed_test, no_space
from .files import BASE, BUILD_BASE, copy_recipe, made, published, work_folder
from .recipes import Recipe
from .source import BOUND, bound_archive
from .streamed import ended_by_signals, streamed

__all__ = ["BuildRequest", "build"]

_UNPACKED = 5  # a SIF's content beside its compressed size, with what is added


class BuildRequest(NamedTuple):
    """What is to be built, and where to.

    Attributes:
        name, version: of the image.
        recipe: how it is built.
        arguments: for the definition, beside the recipe's.
        base: a SIF to build on, instead of what the definition names in its argument `from`.
        build_base: a SIF for the stage that compiles, its argument `build_from`.
        archive: a folder with RELION's archive, instead of the address in its argument `archive`.
        output: the SIF to be.
        replace: it takes the place of what the catalogue lists as this variant.
    """

    name: str
    version: str
    recipe: Recipe
    arguments: Mapping[str, str]
    base: Path | None
    output: Path
    replace: bool = False
    build_base: Path | None = None
    archive: Path | None = None

    @property
    def bases(self) -> dict[str, tuple[str, Path]]:
        """The definition's argument → the base's name beside the definition, and its file."""
        given = {"from": (BASE, self.base), "build_from": (BUILD_BASE, self.build_base)}
        return {key: (name, file) for key, (name, file) in given.items() if file}


def build(order: BuildRequest, site: Site) -> Added:
    """Build, test and add; what goes wrong leaves the catalogue and the folder as they were.

    Raises:
        ImageError: the definition is wrong, a base is no SIF, the build or its test fails, or the
            image is there.
        WriteError: no room or no permission, or another builds the same image.
        ConfigError: the catalogue does not load.
    """
    what = f"{order.name} {order.version} ({order.recipe.variant})"
    if os.geteuid() == 0:
        raise ImageError(
            f"{what} is not built as root, because the scripts of a build must not change this "
            "machine: run this command as an ordinary user (`sudo -u USER relion-dispatch images "
            "build …`) who may write the catalogue and the folder of the image."
        )
    check_name(order.name, order.version)
    check_word("version", order.version)
    for _, base in order.bases.values():
        read_header(base)
    apptainer.version(site.apptainer.program)
    with ended_by_signals(), _only_builder(order):
        _refuse_present(order, what)
        with made(order.output.parent), work_folder() as work:
            return _build_in(work, order, site, what)


def _build_in(work: Path, order: BuildRequest, site: Site, what: str) -> Added:
    program = site.apptainer.program
    definition = Path(order.recipe.definition)
    arguments = {**order.recipe.arguments, **order.arguments}
    bases = order.bases
    if bases:
        arguments["bootstrap"] = "localimage"
        arguments |= {argument: name for argument, (name, _) in bases.items()}
    text = read_definition(definition)
    mounts = []
    if order.archive:
        values = {**declared_arguments(text), **arguments}
        mounts.append(bound_archive(order.archive, work, values, what))
        arguments["archive"] = f"file://{BOUND}"
    check(definition, arguments, work, [name for name, _ in bases.values()])
    _check_space(order, work)
    copy_recipe(definition, work)
    for name, base in bases.values():
        (work / name).symlink_to(base.resolve())

    _say(f"building {what} from {definition}")
    argv = apptainer.build_argv(program, "image.sif", definition.name, arguments, work, mounts)
    built = streamed(argv, work, hidden_from_builds(site.apptainer.environment))
    if built.status != 0:
        _refuse_full(built.output, work)
        failure = Finished(built.status, "", built.output)
        if reason := machine_lacks(failure):
            raise ImageError(f"{what} cannot be built: {reason}.")
        raise ImageError(
            f"The build of {what} failed, in {failed_build(built.output, definition)}: correct "
            "that and build again. Nothing was changed."
        )
    _say("testing it")
    tested = streamed(apptainer.test_argv(program, "image.sif"), work, site.apptainer.hidden)
    if tested.status != 0:
        if reason := machine_lacks(Finished(tested.status, "", tested.output)):
            raise ImageError(f"{what} was built, but cannot be tested: {reason}.")
        raise ImageError(
            f"The test of {what} failed, in {failed_test(tested.output, definition, text)}: "
            "correct that and build again. Nothing was changed."
        )
    image = work / "image.sif"
    facts = inspect(image, site)
    wanted = NewImage(order.name, order.version, order.recipe.variant, replace=order.replace)
    with published(image, order.output):
        facts = facts._replace(header=read_header(order.output))
        return add(order.output, facts, wanted)


def _refuse_present(order: BuildRequest, what: str) -> None:
    catalogue = own_catalogue()
    place = (order.name, order.version, order.recipe.variant)
    present = [(each.name, each.version, each.build.variant) for each in catalogue.builds()]
    if not order.replace and place in present:
        raise ImageError(
            f"{what} is in the catalogue {catalogue.path} already: remove it first "
            f"(`relion-dispatch images remove {order.name} {order.version} --variant "
            f"{order.recipe.variant}`), or build the new image as another version."
        )
    if order.output.exists():
        raise ImageError(
            f"{order.output} already exists: add the file (`relion-dispatch images add`), remove "
            "it, or name another file with --output."
        )


@contextmanager
def _only_builder(order: BuildRequest) -> Iterator[None]:
    """Hold the image's lock, which is the catalogue's and not the folder's of this build."""
    name = f"{order.name}-{order.version}-{order.recipe.variant}"
    lock = check_editable().with_name(f".{name}.build.lock")
    what = f"{order.name} {order.version} ({order.recipe.variant})"
    with locked(lock, what, seconds=0, doing="building"):
        try:
            yield
        finally:  # while it is held: a failed build leaves the folder as it was
            lock.unlink(missing_ok=True)


def _check_space(order: BuildRequest, work: Path) -> None:
    base = sum(file.stat().st_size for _, file in order.bases.values()) or 2**27
    asked = bytes_of(order.recipe.space, f"The recipe of {order.name} {order.version}")
    wanted = {work: asked or base * _UNPACKED, order.output.parent: base}
    for folder, needed in wanted.items():
        free = shutil.disk_usage(folder).free
        if free < needed:
            way_out = (
                "name another folder in the variable APPTAINER_TMPDIR"
                if folder == work
                else "name another folder with --folder"
            )
            place = folder.parent if folder == work else folder
            raise WriteError(
                f"There is no space for the build in {place}: it takes about {needed / 2**30:.1f} "
                f"GiB and {free / 2**30:.1f} GiB are free: free space there, or {way_out}."
            )


def _refuse_full(output: str, work: Path) -> None:
    if no_space(output):
        raise WriteError(
            f"The build ran out of space in {work.parent}, or in {Path.home()}: free space there, "
            "or name another folder in the variable APPTAINER_TMPDIR. Nothing was changed."
        )


def _say(sentence: str) -> None:
    print(f"relion-dispatch: {sentence}", file=sys.stderr, flush=True)

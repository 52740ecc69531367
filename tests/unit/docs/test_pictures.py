"""The pictures of the documentation are shown somewhere, and say what is true."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[3]
PICTURES = sorted((ROOT / "docs" / "pictures").iterdir())
WHAT_HAPPENS = ROOT / "docs" / "pictures" / "what-happens.svg"
SVG = "{http://www.w3.org/2000/svg}"


def written() -> list[str]:
    """The texts in the README's picture."""
    tree = ElementTree.parse(WHAT_HAPPENS)
    return ["".join(text.itertext()) for text in tree.iter(f"{SVG}text")]


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_a_page_shows_the_picture_and_says_what_is_on_it(picture: Path) -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    shown = [
        alternative
        for page in pages
        for alternative, target in re.findall(r"!\[([^\]]+)\]\(([^)\s]+)\)", page.read_text())
        if (page.parent / target).resolve() == picture.resolve()
    ]

    assert shown, f"no page shows {picture.name}"
    assert all(len(text.split()) > 5 for text in shown), shown


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_a_picture_is_small_enough_for_a_page(picture: Path) -> None:
    assert picture.stat().st_size < 200_000


def test_the_readme_begins_with_the_picture_of_what_happens() -> None:
    pictures = re.findall(r"!\[[^\]]+\]\(([^)\s]+)\)", (ROOT / "README.md").read_text())

    assert (ROOT / pictures[0]).resolve() == WHAT_HAPPENS


def test_the_picture_of_what_happens_names_each_shipped_scheduler() -> None:
    names = {
        "gridengine": "Grid Engine",
        "local": "this machine",
        "lsf": "LSF",
        "pbs": "PBS",
        "slurm": "Slurm",
    }
    shipped = {path.stem for path in (ROOT / "config" / "schedulers").glob("*.json")}

    assert shipped - {"interactive"} == set(names)  # jobs on this machine by another way
    assert set(names.values()) <= set(written())


def test_what_happens_is_drawn_for_dark_pages_too() -> None:
    style = ElementTree.parse(WHAT_HAPPENS).findtext(f"{SVG}style") or ""
    light, _, dark = style.partition("@media (prefers-color-scheme: dark)")
    colours = re.compile(r"--([\w-]+): #")
    wanted = set(colours.findall(light))

    assert wanted <= set(colours.findall(dark))
    assert set(re.findall(r"var\(--([\w-]+)\)", WHAT_HAPPENS.read_text())) <= wanted

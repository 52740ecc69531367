"""Writes docs/types.md: the shipped job types, what they build on, and what they ask for.

Usage: python -m docs.making.type_page      (docs/update.sh calls it)
"""

from __future__ import annotations

from pathlib import Path

from dispatcher.config.catalogue import Catalogue
from dispatcher.config.configuration import Configuration
from dispatcher.config.job_types import load_job_types
from dispatcher.config.places import shipped_folder
from dispatcher.config.site import Site, checked_site
from dispatcher.site.type_table import HEADS, type_rows, type_table

__all__ = ["PAGE", "type_page"]

PAGE = Path(__file__).parents[2] / "docs" / "types.md"

INTRODUCTION = """\
# The shipped job types

A job is of the first type in this order that takes it ([dispatch_config.md](dispatch_config.md)).
Base types take no jobs: a parameter that a site gives to a base (`job_parameters` in
[site.md](site.md)) holds for all types that are built on that base and have no own.
`relion-dispatch types` prints this table with what the site has changed, and with `--json` all
job_parameters.

The numbers are limits. "as fit" is as many as fit, "window" is what RELION's window says; the
memory is of a node, and grows with what the job needs.

`docs/update.sh` makes this page, and a test compares the two.
"""


def type_page() -> str:
    """The page's text."""
    config = shipped_folder() / "config"
    job_types = load_job_types(config / "dispatch_config.json")
    site: Site = checked_site({}, config / "site.json")
    catalogue = Catalogue(images={}, path=config / "images.json")
    table = type_table(Configuration(site, job_types, catalogue))
    heads, *rows = (
        [cell.replace("|", "\\|") for at, cell in enumerate(row) if at != _PARTITION]
        for row in type_rows(table)
    )
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join([INTRODUCTION, *(f"| {' | '.join(row)} |" for row in lines), ""])


_PARTITION = HEADS.index("partition")  # which no shipped type names

if __name__ == "__main__":
    PAGE.write_text(type_page())

"""``relion-dispatch check`` names files in the site's folder that nothing reads."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.config.configuration import load_configuration
from dispatcher.site.unread_files import unread_files

from ..fixture_types import WriteSite

pytestmark = pytest.mark.usefixtures("images")

TYPES: dict[str, Any] = {
    "submit": {"match_command": "None"},
    "refine": {"inherits": "submit", "match_command": "relion_refine"},
}
EXTENDS = '{% extends "submit.sh.j2" %}\n'


def told() -> list[str]:
    """What is said of the site's folder."""
    configuration = load_configuration()
    return list(unread_files(configuration.site, configuration.job_types))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("site.jsn", "site.json"),
        ("dispatch-config.json", "dispatch_config.json"),
        ("endings.json.txt", "endings.json"),
        ("schedulers/slurm.jsn", "slurm.json"),
        ("containers/recipe.json", "recipes.json"),
        ("scheduler/slurm.json", "schedulers"),
        ("job_templates/refine.sh.j2", "job_template"),
        ("container/recipes.json", "containers"),
    ],
)
def test_a_misspelt_name_is_named_with_the_one_that_would_be_read(
    name: str, meant: str, site: WriteSite
) -> None:
    path = site(name, "{}")
    what, kind = (path.parent, "folder") if "/" in name and "." not in meant else (path, "file")

    assert told() == [f'{what}: nothing reads this {kind}; did you mean "{meant}"? Rename it.']


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("schedulers/slurm/further_directives.sh.j2", "schedulers/slurm/further_directives.sh.j2"),
        ("job_template/further_directives.sh.j2", "schedulers/slurm/further_directives.sh.j2"),
        ("job_template/slurm/watcher.sh.j2", "schedulers/slurm/watcher.sh.j2"),
        ("job_template/schedulers/slurm/function.sh", "schedulers/slurm/functions.sh"),
        (
            "job_template/schedulers/local/further_directive.sh.j2",
            "schedulers/local/further_directives.sh.j2",
        ),
        ("refine.sh.j2", "refine.sh.j2"),
        ("templates/refine.sh.j2", "refine.sh.j2"),
        ("job_template/refien.sh.j2", "refine.sh.j2"),
        ("job_template/refine.j2", "refine.sh.j2"),
    ],
)
def test_a_template_in_the_wrong_place_is_named_with_the_right_one(
    name: str, right: str, site: WriteSite
) -> None:
    site("dispatch_config.json", TYPES)
    site("site.json", {"scheduler": "slurm"})
    path = site(name, "")
    folder = path.parents[name.count("/")] / "job_template"

    assert told() == [f"{path}: nothing reads this file: move it to {folder / right}."]


def test_a_template_that_belongs_to_no_type_and_no_template_is_named(site: WriteSite) -> None:
    site("dispatch_config.json", {**TYPES, "refine": {**TYPES["refine"], "template": "named"}})
    site("job_template/named.sh.j2", '{% extends "lab.sh.j2" %}\n')
    site("job_template/lab.sh.j2", EXTENDS + '{% include "lines/lab" ~ ".sh.j2" %}')
    other = site("job_template/other.sh.j2", EXTENDS)
    assert told() == [], "an expression may name any"

    site("job_template/lab.sh.j2", EXTENDS)

    assert told() == [
        f"{other}: nothing reads this file, because no job type has this name or names it in "
        '"template", and no template extends or includes it: rename the file, or remove it.'
    ]


@pytest.mark.parametrize(
    "name",
    [
        "site.json~",
        "site.json.bak",
        "site.json.rpmnew",
        "images-old.json",
        "image.json",  # beside images.json
        "README.md",
        ".git/refine.sh.j2",
        "images/relion.def",
        "container/relion.sif",
        "projects/0123",
        "containers/lab.def",
        "job_template/refine_old.sh.j2",
        "job_template/README",
        "job_template.bak/refine.sh.j2",
        "job_template/schedulers/slurm/functions.sh.orig",
    ],
)
def test_what_people_keep_beside_is_not_named(name: str, site: WriteSite) -> None:
    site(name, "")

    assert told() == []


@pytest.mark.parametrize(
    "name",
    [
        "job_template/refine.sh.j2",
        "job_template/gpu.sh.j2",
        "job_template/base.sh.j2",
        "job_template/schedulers/slurm/further_watcher.sh.j2",
        "job_template/schedulers/slurm.sh.j2",  # of 0.1.0
        "job_template/schedulers/ours/directives.sh.j2",
        "job_template/library/lab.sh",
    ],
)
def test_templates_that_are_read_are_not_named(name: str, site: WriteSite) -> None:
    own: dict[str, Any] = {"inherits": "local", "directives": "ours"}
    site("site.json", {"schedulers": {"ours": own}})
    site(name, "")

    assert told() == []

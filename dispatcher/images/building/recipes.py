"""Recipes: which definition builds which version and variant of an image.

``containers/recipes.json``, the site's own first, then the shipped one; the definitions lie beside:

    {"relion": [{"versions": "5.1.*", "variant": "cpu", "definition": "relion-debian.def",
                 "arguments": {"suite": "sid"}}]}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from fnmatch import fnmatchcase

from ...config.json_files import load, nearest, read_json, strict
from ...config.places import own_path, shipped_folder, site_folder
from ...errors import ConfigError, ImageError
from ...units import too_small

__all__ = ["Recipe", "find", "is_shipped"]


@strict
class Recipe:
    """How one variant of some versions is built.

    Attributes:
        versions: the versions, as a pattern ("5.1.*").
        variant: what tells it from other builds of a version.
        definition: the definition's path; relative ones start at the folder of recipes.json.
        arguments: for the definition's %arguments.
        space: bytes that the build takes for a while, or "30G"; unset if nobody knows.
    """

    versions: str
    variant: str
    definition: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    space: int | str | None = None

    def __post_init__(self) -> None:
        if says := too_small(self.space):
            raise ValueError(f"space: {says}")


@strict
class _RecipeFile:
    recipes: dict[str, list[Recipe]]


def load_recipes(*, own: bool = True) -> dict[str, list[Recipe]]:
    """The recipes by the image's name, the site's `own` before the shipped; definitions' paths are
    absolute.

    Raises:
        ConfigError: a file cannot be read or says something unknown.
    """
    found: dict[str, list[Recipe]] = {}
    sites = own_path("containers/recipes.json") if own else None
    shipped = shipped_folder() / "containers" / "recipes.json"
    for path in [*([sites] if sites else []), shipped]:
        folder = path.parent
        content = {"recipes": read_json(path)}
        loaded = load(_RecipeFile, content, str(path), lambda steps: f'"{".".join(steps[1:])}"')
        for name, recipes in loaded.recipes.items():
            for recipe in recipes:
                definition = folder / recipe.definition
                if not definition.is_file():
                    raise ConfigError(
                        f'{path}: "{name}": there is no definition {definition}: correct the path.'
                    )
                absolute = {**vars(recipe), "definition": str(definition)}
                found.setdefault(name, []).append(Recipe(**absolute))
    return found


def is_shipped(name: str, recipe: Recipe) -> bool:
    """Whether the recipe is one that comes with relion-dispatch, definition and arguments."""
    return recipe in load_recipes(own=False).get(name, [])


def find(name: str, version: str, variant: str | None) -> Recipe:
    """The first recipe for the image; without a variant, the first of the version.

    Raises:
        ConfigError: a recipe file is wrong.
        ImageError: no recipe; naming the nearest, and what there is.
    """
    recipes = load_recipes()
    if name not in recipes:
        raise ImageError(
            f'There is no recipe for an image "{name}"{nearest(name, list(recipes))}: write a '
            f"recipe in {site_folder() / 'containers' / 'recipes.json'}; there are recipes for "
            f"{', '.join(recipes) or 'none'}."
        )
    fitting = [each for each in recipes[name] if fnmatchcase(version, each.versions)]
    if not fitting:
        known = list(dict.fromkeys(each.versions for each in recipes[name]))
        raise ImageError(
            f"There is no recipe for {name} {version}{nearest(version, known)}: write a recipe in "
            f"{site_folder() / 'containers' / 'recipes.json'}; there are recipes for the versions "
            f"{', '.join(known)}."
        )
    if variant is None:
        return fitting[0]
    for recipe in fitting:
        if recipe.variant == variant:
            return recipe
    variants = list(dict.fromkeys(each.variant for each in fitting))
    raise ImageError(
        f"There is no recipe for the variant {variant} of {name} {version}"
        f"{nearest(variant, variants)}: its variants are {', '.join(variants)}."
    )

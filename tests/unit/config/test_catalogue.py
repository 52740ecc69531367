"""images.json: what is in it, what is not, and how a mistake in it is named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dispatcher.config.catalogue import Catalogue, ImageFile, load_catalogue
from dispatcher.errors import ConfigError, NotInCatalogue

from ...fixture_types import WriteSite

CPU = {"variant": "cpu", "path": "cpu.sif"}


def catalogue_of(site: WriteSite, *builds: Any) -> Catalogue:
    content = {"relion": {"default": "5.1.0", "versions": {"5.1.0": list(builds)}}}
    return load_catalogue(site("images.json", content))


def test_every_file_is_listed_with_its_place_and_absolute_paths(
    site: WriteSite, images: Path
) -> None:
    with_weights = {**CPU, "weights": "networks", "path": "/else/where.sif"}
    (listed,) = catalogue_of(site, with_weights).builds()
    assert str(listed) == "relion 5.1.0 (cpu)"
    assert listed.path == Path("/else/where.sif")
    assert listed.weights == images.parent / "networks"


def test_files_are_found_by_image_version_and_variant(images: Path) -> None:
    catalogue = load_catalogue(images)

    def found(*words: str) -> list[str]:
        return [str(each) for each in catalogue.find(*words)]

    assert found("relion") == [str(each) for each in catalogue.builds()]
    assert found("relion", "3.1.3") == ["relion 3.1.3 (cuda)", "relion 3.1.3 (cpu)"]
    assert found("relion", "5.1.0", "cpu") == ["relion 5.1.0 (cpu)"]
    assert [each.is_default for each in catalogue.find("relion")] == [True, True, False, False]
    assert catalogue.find("relion", "5.1.0")[0].path == images.parent / "relion-5.1.0-cuda.sif"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["relyon"], 'The image "relyon" is not in the catalogue {} (it has relion); did you mean'),
        (["relion", "9"], "relion 9 is not in the catalogue {} (it has relion 5.1.0, 3.1.3). Name"),
        (
            ["relion", "5.1.0", "cupa"],
            "relion 5.1.0 (cupa) is not in the catalogue {} (it has relion 5.1.0 as cuda, cpu); "
            'did you mean "cuda"? Name an image that is in the catalogue, or add this one '
            "(`relion-dispatch",
        ),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_what_is_not_there_is_said_in_one_way(words: list[str], says: str, images: Path) -> None:
    with pytest.raises(NotInCatalogue) as caught:
        load_catalogue(images).find(*words)

    assert str(caught.value).startswith(says.format(images))


def test_who_asks_says_what_to_do_next(images: Path) -> None:
    with pytest.raises(NotInCatalogue) as caught:
        load_catalogue(images).find("topaz", then="Ask your admin to add it.")

    assert str(caught.value).endswith("(it has relion). Ask your admin to add it.")


class Header(NamedTuple):
    sif_id: str = "ab" * 16
    size: int = 100
    mtime: int = 7


RECORDED = ImageFile(
    variant="cpu",
    path="cpu.sif",
    sha256="0" * 64,
    sif_id="ab" * 16,
    size=100,
    mtime=7,
    signed_by=("AB12",),
)


def test_a_file_matches_by_size_and_id_and_is_unchanged_by_its_time_as_well() -> None:
    assert RECORDED.matches(Header()) and RECORDED.is_unchanged(Header())
    assert RECORDED.matches(Header(mtime=8)) and not RECORDED.is_unchanged(Header(mtime=8))
    assert not RECORDED.matches(Header(size=101))
    assert not RECORDED.matches(Header(sif_id="cd" * 16))
    by_hand = ImageFile(variant="cpu", path="cpu.sif", sif_id="ab" * 16, size=100, mtime=7)
    assert not by_hand.is_unchanged(Header()), "no digest was recorded"


def test_a_signature_counts_for_a_recorded_digest_alone() -> None:
    by_hand = ImageFile(variant="cpu", path="cpu.sif", signed_by=("AB12",))

    assert RECORDED.is_signed(["AB12", "CD34"])
    assert not RECORDED.is_signed(["CD34"])
    assert not by_hand.is_signed(["AB12"])
    assert by_hand.is_signed([]), "a site that asks for no signature"


def test_an_unknown_default_is_an_error(site: WriteSite) -> None:
    path = site("images.json", {"relion": {"default": "5.2", "versions": {"5.1.0": [CPU]}}})

    with pytest.raises(ConfigError, match=r'default version "5\.2"'):
        load_catalogue(path)


def test_a_variant_listed_twice_is_an_error(site: WriteSite) -> None:
    with pytest.raises(ConfigError, match=r'relion 5\.1\.0 has the variant "cpu" twice'):
        catalogue_of(site, CPU, CPU)


@pytest.mark.parametrize(
    ("build", "says"),
    [
        ({**CPU, "sha256": "abc"}, "a sha256 must have 64 digits"),
        ({**CPU, "gpu": "cuda"}, "gpu"),
        ({**CPU, "sizes": 3}, 'unknown key; did you mean "size"?'),
        ({**CPU, "programs": "relion_refine"}, "programs"),
        ({"variant": "cpu"}, 'path" is missing'),
        ("cpu.sif", "JSON object"),
        ({**CPU, "path": "a\x1bb"}, "path is empty or contains control characters ('a\\x1bb')"),
        ({**CPU, "path": ""}, "path is empty"),
        (
            {**CPU, "path": "\ud800"},
            '"\\ud800" has half of a character (a lone surrogate such as \\ud800)',
        ),
        ({**CPU, "path": "\udce9"}, "path is empty or contains control characters"),
        ({**CPU, "weights": "a\nb"}, "weights is empty or contains control characters"),
        ({**CPU, "variant": ""}, "variant is empty"),
    ],
)
def test_a_catalogue_edited_into_nonsense_is_named_by_key(
    build: Any, says: str, site: WriteSite
) -> None:
    with pytest.raises(ConfigError) as caught:
        catalogue_of(site, build)

    assert "images.json" in str(caught.value)
    assert "relion.versions.5.1.0" in str(caught.value)
    assert says in str(caught.value)


DEEP = 100_000


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"relion": ' + "[" * DEEP + "]" * DEEP + "}", "nested too deeply"),
        ('{"relion": ' * DEEP + "1" + "}" * DEEP, "nested too deeply"),
        ('{"relion": ' + "[" * 300 + "]" * 300 + "}", "nested too deeply"),
        ('{"relion": ' * 300 + "1" + "}" * 300, "nested too deeply"),
        ('{"relion": {"default": ' + "1" * 5000 + "}}", "not valid JSON: Exceeds the limit"),
        (
            '{"relion": {"default": "1", "versions": {"1": [], "2\\n": []}}}',
            'the key "relion.versions.2\\n" has a line break',
        ),
        ('{"": {"default": "1", "versions": {"1": []}}}', "is not a name or version"),
    ],
)
def test_a_catalogue_that_is_nonsense_as_a_whole_is_refused(
    text: str, says: str, site: WriteSite
) -> None:
    path = site("images.json", text)

    with pytest.raises(ConfigError) as caught:
        load_catalogue(path)

    assert str(path) in str(caught.value)
    assert says in str(caught.value)


def test_a_pipe_in_the_place_of_the_catalogue_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "images.json")

    with pytest.raises(ConfigError, match=r"images.json is not a file"):
        load_catalogue(tmp_path / "images.json")

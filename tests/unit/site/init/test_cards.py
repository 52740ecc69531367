"""Cards' memory by the names that schedulers and drivers have for them."""

from __future__ import annotations

import pytest

from dispatcher.config.gpu_vendors import VENDORS
from dispatcher.config.places import shipped_folder
from dispatcher.site.init.cards import card_of, read_cards
from dispatcher.units import read_size


@pytest.mark.parametrize(
    ("name", "memory"),
    [
        ("a100", "40960M"),
        ("A100", "40960M"),
        ("nvidia_a100-sxm4-80gb", "81920M"),
        ("NVIDIAA100_SXM4_80GB", "81920M"),
        ("nvidia_a100-pcie-40gb", "40960M"),
        ("a100-80", "81920M"),
        ("a100_80g", "81920M"),
        ("v100", "16160M"),
        ("tesla_v100-sxm2-32gb", "32510M"),
        ("TeslaV100_SXM2_16GB", "16160M"),
        ("v100s", "32510M"),
        ("GeForceRTX2080Ti", "11016M"),
        ("nvidia_geforce_rtx_2080", "7981M"),
        ("gtx1080ti", "11172M"),
        ("rtx_3090", "24245M"),
        ("RTX4090", "24217M"),
        ("quadro_rtx_6000", "22698M"),
        ("rtx_a6000", "46068M"),
        ("nvidia_rtx_6000_ada_generation", "46068M"),
        ("titan_rtx", "24190M"),
        ("l4", "23034M"),
        ("L40S", "46068M"),
        ("nvidia_h100_80gb_hbm3", "81559M"),
        ("h200", "143771M"),
        ("NVIDIA B200", "183359M"),
        ("1g.10gb", "9728M"),
        ("a100_3g.20gb", "19456M"),
        ("mi250x", "65520M"),
        ("MI300X", "196592M"),
    ],
)
def test_a_card_is_known_by_any_of_its_names(name: str, memory: str) -> None:
    card = card_of([name])

    assert card and card.memory == memory


@pytest.mark.parametrize(
    "word",
    ["a1000", "haswell", "tesla", "gpu", "mem384gb", "ib100", "x86_64", "gpu_mem_32gb", "", "("],
)
def test_other_words_name_no_card(word: str) -> None:
    assert card_of([word]) is None


@pytest.mark.parametrize(
    ("name", "memory"),
    [
        ("1g.10gb", "9728M"),
        ("3g.47gb", "45721M"),
        ("mig_2g_20gb", "19456M"),
        ("nvidia_h100_80gb_hbm3_1g.10gb", "9728M"),
        ("nvidia_a100-sxm4-40gb_1g.5gb", "4864M"),
        ("nvidia_h100_80gb_hbm3_1g.20gb+me", "19456M"),
        ("h100_10gb", "9728M"),
        ("h100_1.10", "9728M"),
    ],
)
def test_a_part_of_a_card_has_the_memory_of_its_own_name(name: str, memory: str) -> None:
    card = card_of([name])

    assert card and (card.memory, card.is_part) == (memory, True)


@pytest.mark.parametrize(
    ("name", "memory"),
    [
        ("nvidia_h100_80gb_hbm3", "81559M"),
        ("h100_64gb", "62259M"),  # made for one site
        ("mi300x_48gb", "46694M"),
        ("rtx4090_24gb", "24217M"),
        ("t4_16gb", "15360M"),
    ],
)
def test_a_card_with_its_size_in_its_name_is_no_part(name: str, memory: str) -> None:
    card = card_of([name])

    assert card and (card.memory, card.is_part) == (memory, False)


def test_a_name_that_several_sizes_have_takes_the_least_and_says_so() -> None:
    card = card_of(["v100"])

    assert card and card.why == "the least of cards of the name v100; others have 32510M"


def test_the_first_word_that_names_a_card_counts() -> None:
    card = card_of(["skylake", "p100", "v100"])

    assert card and card.name == "p100"


def test_the_table_is_of_known_makers_and_its_sizes_grow() -> None:
    table = read_cards(shipped_folder() / "config" / "gpu_cards.json")

    assert set(table) <= set(VENDORS)
    for card in (card for cards in table.values() for card in cards):
        sizes = [read_size(text) for text in card.memory]
        numbers = [size.number * size.unit for size in sizes if size]
        assert len(numbers) == len(sizes) and numbers == sorted(numbers) and card.names

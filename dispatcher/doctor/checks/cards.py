"""Are the GPUs those that the site says, and do the driver and the image fit them?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ...units import bytes_of
from ..asked import Asked
from ..facts import Facts
from ..finding import Finding, failure, not_so_far, ok, skipped, warning
from ..kernels import Kernels, capability_of
from .container import NO_MORE_STARTS

__all__ = ["Card", "cards", "cards_of", "driver", "kernels", "mode", "mps", "number_of_cards"]

_KINDS = ("compiled", "ptx")
_TOLERANCE = 0.05  # drivers keep a part of a card's memory, and names round


class Card(NamedTuple):
    """A line of nvidia-smi; `memory` in MiB, 0 if it does not say."""

    name: str
    memory: int
    driver: str
    mode: str
    mig: str
    persistence: str


def cards_of(facts: Facts) -> list[Card]:
    """The GPUs that nvidia-smi tells of."""
    found = []
    for line in facts.each("card"):
        words = [word.strip() for word in line.split(",")]
        if len(words) == len(Card._fields):
            memory = int(words[1]) if words[1].isdigit() else 0
            found.append(Card(words[0], memory, *words[2:]))
    return found


def number_of_cards(facts: Facts) -> int:
    """How many GPUs the node has, also those that are hidden from the job; 0 if nothing tells."""
    return int(facts.number("cards_of_node") or 0)


def _not_asked(facts: Facts, asked: Asked) -> Finding | None:
    if not asked.gpus:
        return skipped("The jobs of this place use no GPU.")
    if not asked.has_tool:
        return skipped(f"relion-dispatch asks no program about {asked.gpu_title}'s GPUs.")
    return None


def cards(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Are the GPUs seen, on the node and in the container, and are they as site.json says?"""
    if not_asked := _not_asked(facts, asked):
        yield not_asked
        return
    if "cards_status" not in facts:
        yield not_so_far()
        return
    found, host = cards_of(facts), facts["host"]
    if not found or facts["cards_status"] != "0":
        said = facts["cards_said"] or facts["card"] or "nothing"
        yield failure(
            f'nvidia-smi tells of no GPU in a job on {host} (it says "{said}"): check the driver '
            f'of the node, and what the scheduler gives jobs that ask for "gpus" ({asked.key}).'
        )
        return
    looked_inside = "no_more_starts" not in facts
    if asked.gpu_image and looked_inside and facts["cards_inside"] in ("", "0"):
        yield failure(
            f"{asked.image} sees none of the GPUs of {host}: the container needs the option of its "
            'vendor ("apptainer.gpu_option" in site.json, --nv for NVIDIA).'
        )
        return
    names = {card.name for card in found}
    says = [*_number_differs(facts, asked), *_memory_differs(found, asked)]
    if len(names) > 1:
        says.append(f"its GPUs differ ({', '.join(sorted(names))})")
    least = min(card.memory for card in found)
    seen = f"{host}: {len(found)} x {found[0].name}, {least} MiB"
    if says:
        yield warning(
            f"{seen}; {'; '.join(says)}: correct {asked.key}, or jobs are planned wrongly."
        )
    else:
        yield ok(f"{seen}.")


def _number_differs(facts: Facts, asked: Asked) -> Iterator[str]:
    has, says = number_of_cards(facts), asked.shape.gpus
    if has and says is not None and has != says:
        yield f"the node has {has} GPUs, and the site says {says}"


def _memory_differs(found: list[Card], asked: Asked) -> Iterator[str]:
    says = bytes_of(asked.shape.gpu_memory, asked.key)
    sizes = [card.memory * 2**20 for card in found if card.memory]
    if says and sizes and min(sizes) < says * (1 - _TOLERANCE):
        yield f"the site says {asked.shape.gpu_memory} of memory, which is more than there is"
    elif says and sizes and min(sizes) > says * (1 + 4 * _TOLERANCE):
        yield f"the site says {asked.shape.gpu_memory} of memory, which is less than there is"


def mode(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Can several ranks use one GPU?"""
    found = cards_of(facts)
    if not found:
        return
    if any(card.mig == "Enabled" for card in found):
        yield warning(
            f"GPUs of {facts['host']} are divided (MIG), and a process of RELION uses one slice: "
            f'set "gpus" to 1 and "gpu_memory" to that of a slice in {asked.key}.'
        )
    elif any(card.mode == "Prohibited" for card in found):
        yield failure(
            f"GPUs of {facts['host']} are closed to computing (compute mode Prohibited): have the "
            "node's admin set another mode (`nvidia-smi -c DEFAULT`)."
        )
    elif any(card.mode == "Exclusive_Process" for card in found) and not asked.mps:
        yield warning(
            f"GPUs of {facts['host']} take one process each (compute mode Exclusive_Process), so "
            'each GPU gets one rank: have the mode set to DEFAULT, or set "mps" in site.json.'
        )
    else:
        slow = any(card.persistence == "Disabled" for card in found)
        more = (
            " (persistence mode is off, which costs seconds at the start of jobs)" if slow else ""
        )
        yield ok(f"Several ranks may share a GPU{more}.")


def driver(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Is the driver new enough for the image's CUDA?"""
    if not cards_of(facts):
        return
    if not asked.gpu_image:
        yield skipped("No image for GPUs, whose CUDA the driver would have to serve.")
        return
    if "no_more_starts" in facts:
        yield skipped(NO_MORE_STARTS)
        return
    has, needs = _version(facts["driver_cuda"]), _version(facts["image_cuda"])
    name = f"The driver {cards_of(facts)[0].driver} of {facts['host']}"
    if not has or not needs:
        what = "the driver does not say" if not has else "nothing in the image says"
        yield skipped(f"{what[:1].upper()}{what[1:]} which version of CUDA it has.")
    elif needs[:1] > has[:1]:
        yield failure(
            f"{name} serves CUDA up to {facts['driver_cuda']}, and {asked.image} has "
            f"{facts['image_cuda']}: install a newer driver, or use an image with an older CUDA."
        )
    elif needs > has:
        yield warning(
            f"{name} is of CUDA {facts['driver_cuda']}, and {asked.image} has the later "
            f"{facts['image_cuda']}: its kernels run, but none that are compiled at start (PTX)."
        )
    else:
        yield ok(
            f"{name} serves CUDA {facts['driver_cuda']}, and the image has {facts['image_cuda']}."
        )


def kernels(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Has the image's RELION kernels for the GPUs?"""
    has = Kernels(*(frozenset(map(int, facts[f"kernels_{kind}"].split())) for kind in _KINDS))
    cards = {each: capability_of(each) for each in facts.each("capability")}
    if not asked.gpu_image or not cards:
        return
    if not has:
        yield skipped(f"No kernels were found in the RELION of {asked.image}.")
        return
    without = [text for text, number in cards.items() if number and not has.run_on(number)]
    compiled = ", ".join(f"{each / 10:.1f}" for each in sorted(has.compiled))
    if without:
        yield failure(
            f"{asked.image} has no kernels for the GPUs of {facts['host']}, whose compute "
            f"capability is {', '.join(without)} (it has those of {compiled or 'PTX alone'}): "
            "build RELION with CUDA_ARCH of these cards, or use another image there."
        )
    else:
        yield ok(f"The image's RELION has kernels for compute capability {', '.join(cards)}.")


def _version(text: str) -> tuple[int, ...]:
    found = re.match(r"(\d+)(?:\.(\d+))?", text)
    return (int(found[1]), int(found[2] or 0)) if found else ()


def mps(facts: Facts, asked: Asked) -> Iterator[Finding]:
    """Does NVIDIA's multi-process service start, does the container see it, and does it end?"""
    if not asked.gpus or not asked.has_tool:
        return
    if not asked.mps:
        yield skipped('The site starts no MPS ("mps" in site.json).')
        return
    if "mps_said" not in facts:
        yield not_so_far()
        return
    others = facts["mps_of_others"]
    also = f" Another user's daemon runs there ({others})." if others else ""
    way_out = (
        f'correct that, or set "mps" to false in site.json, and ranks share GPUs without.{also}'
    )
    if facts["mps_said"]:
        yield failure(f"MPS does not start on {facts['host']} ({facts['mps_said']}): {way_out}")
    elif facts["mps_unseen"]:
        yield failure(
            f"Ranks in containers on {facts['host']} cannot use MPS ({facts['mps_unseen']}): "
            f"{way_out}"
        )
    elif facts["mps_left"]:
        yield failure(
            f"The MPS daemon on {facts['host']} does not end (process {facts['mps_left']}): "
            f"{way_out}"
        )
    elif others:
        yield warning(f"MPS starts and ends on {facts['host']}.{also}")
    elif "mps_unseen" in facts:
        yield ok("MPS starts, is seen in the container, and ends.")
    else:
        yield ok("MPS starts and ends; no container was started to see it.")

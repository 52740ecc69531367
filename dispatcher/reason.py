"""A reason of the plan: a sentence that knows which question it answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

__all__ = ["Reason", "Topic", "about", "topic_of"]

Topic = Literal[
    "type",
    "command",
    "window",
    "ranks",
    "gpu_memory",
    "host_memory",
    "partition",
    "image",
    "queue",
    "goes_on",
]


class Reason(str):
    """A sentence about one topic. To all who only print it, it is a text."""

    topic: Topic


def about(topic: Topic, sentences: Iterable[str]) -> tuple[str, ...]:
    """The sentences with that topic; those that have one already keep it, '' is left out."""
    return tuple(_with(topic, each) for each in sentences if each)


def topic_of(sentence: str) -> str:
    """The sentence's topic; "" if it has none."""
    return sentence.topic if isinstance(sentence, Reason) else ""


def _with(topic: Topic, sentence: str) -> Reason:
    if isinstance(sentence, Reason):
        return sentence
    found = Reason(sentence)
    found.topic = topic
    return found

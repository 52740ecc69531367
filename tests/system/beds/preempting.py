"""What a fault needs of a cluster whose jobs give way to others, and go on."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractContextManager
from typing import ClassVar

from .bed import Bed
from .servers import Silence

__all__ = ["PreemptingBed"]


class PreemptingBed(Bed):
    """A cluster whose jobs give way."""

    gives_way: ClassVar[str]  # the partition whose jobs do
    cancelled_between: ClassVar[str]  # what is said of a job that was, between two runs
    short: ClassVar[str]  # a time limit at which a script is told, or stops, within 90 s

    def go_to_preempting(self) -> None:
        """Go to the cluster where jobs give way, if that is another one."""
        return

    @abstractmethod
    def preempt(self, number: str) -> None:
        """Have a job that runs give way for a moment."""

    @abstractmethod
    def waits_again(self, number: str) -> bool:
        """Whether a job waits in the queue for its next run."""

    @abstractmethod
    def silence(self) -> AbstractContextManager[Silence]:
        """A server that job scripts meet no longer, or again; tests do meet it."""

    @abstractmethod
    def silence_node(self, node: str, number: str) -> None:
        """Cut off a job's node until the server calls it lost, and has put the job back."""

    @abstractmethod
    def return_node(self, node: str) -> None:
        """Have a node that was cut off take jobs again."""

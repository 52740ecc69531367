"""Fields of RELION's window that another site, or another module, has put there."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable

import pytest

from dispatcher.config.window import FIELDS, LABEL, field_names
from dispatcher.errors import InputError
from dispatcher.planning.plan import Plan

from ...fixture_types import CorpusJob
from .planned import REFINE, Typed, plan
from .test_extra_fields import with_options

pytestmark = pytest.mark.usefixtures("images")

CTF = "relion-5.0.1/CtfFind_job003"
USER = pwd.getpwuid(os.getuid()).pw_name


LABELS = {"time": "Time limit:", "gpus": "GPUs per node:", "memory": "Speicher für é:"}
OF_ANOTHER_SITE = {"time": "Number of nodes:", "gpus": "GPUs per node:", "memory": "Days:"}


@pytest.fixture
def typed_below(
    typed: Typed, monkeypatch: pytest.MonkeyPatch, corpus_job: CorpusJob
) -> Callable[..., Plan]:
    """The plan of a job with these texts, RELION having been started with these labels."""

    def call(labels: list[str], *texts: str) -> Plan:
        typed(dict.fromkeys(LABELS, "auto"))
        monkeypatch.setenv(FIELDS, field_names(LABELS))
        for number, label in enumerate(labels, 1):
            monkeypatch.setenv(f"{LABEL}{number}", label)
        lines = [f'qsub_extra{n} "{text}"' for n, text in enumerate(texts, 1)]
        return plan(with_options(corpus_job(REFINE), *lines))

    return call


@pytest.mark.parametrize(
    "labels",
    [
        [*LABELS.values()],
        [*LABELS.values(), "Of a module that adds one:"],
        ["Time limit:", "GPUs per node:", "Speicher f\udcc3\udcbcr \udcc3\udca9:"],  # LC_ALL=C
        [],  # the job is of an earlier window
    ],
)
def test_fields_with_the_labels_of_this_site(
    labels: list[str], typed_below: Callable[..., Plan]
) -> None:
    assert typed_below(labels, "12h", "auto").window == {"time": "12h"}


@pytest.mark.parametrize("labels", [[*OF_ANOTHER_SITE.values()], ["Number of nodes:"]])
def test_fields_of_a_module_that_was_loaded_later(
    labels: list[str], typed_below: Callable[..., Plan]
) -> None:
    with pytest.raises(InputError, match=r'^"Number of nodes" \'2\' in RELION.* Load it last'):
        typed_below(labels, "2", "auto")


def test_a_field_without_a_label_there_is_named_as_in_job_star(
    typed_below: Callable[..., Plan],
) -> None:
    with pytest.raises(InputError, match=r'^"Number of nodes" \'2\', "qsub_extra2" \'1\' in'):
        typed_below(["Number of nodes:"], "2", "1")


def test_fields_of_another_site_that_say_nothing_do_no_harm(
    typed_below: Callable[..., Plan],
) -> None:
    assert not typed_below([*OF_ANOTHER_SITE.values()], "auto", "", "XXXextra3XXX").window

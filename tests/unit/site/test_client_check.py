"""Variables that keep the CCP-EM Pipeliner's jobs from the hook are named by `check`."""

from __future__ import annotations

import pytest

from dispatcher.config.window import FIELDS, LABEL, field_names
from dispatcher.site.check import remarks
from dispatcher.site.client_check import foreign_fields, hidden_settings

HOOK, TEMPLATE = "/opt/rd/bin/relion_dispatch.py", "/opt/rd/share/relion_template.sh"
OURS = {
    "RELION_QSUB_COMMAND": HOOK,
    "RELION_QSUB_TEMPLATE": TEMPLATE,
    "RELION_QUEUE_USE": "Yes",
    "RELION_QSUB_EXTRA_COUNT": "3",
}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("PIPELINER_QSUB_COMMAND", "sbatch", "do not come to relion-dispatch"),
        ("PIPELINER_QSUB_TEMPLATE", "/etc/slurm.sh", "may not be able to read"),
        ("PIPELINER_QUEUE_USE", "false", "only if its window says so"),
        ("PIPELINER_QSUB_EXTRA_COUNT", "0", "other values than RELION's"),
    ],
)
def test_a_variable_that_hides_ours_is_named(name: str, value: str, says: str) -> None:
    (sentence,) = hidden_settings({**OURS, name: value})

    assert sentence.startswith(f"{name} is set here ({value})")
    assert says in sentence and sentence.endswith(f"Unset {name}.")


@pytest.mark.parametrize(
    "environment",
    [
        OURS,
        {**OURS, "PIPELINER_QSUB_COMMAND": HOOK, "PIPELINER_QUEUE_USE": "true"},
        {"PIPELINER_QSUB_COMMAND": HOOK, "PIPELINER_QSUB_TEMPLATE": TEMPLATE},
        {**OURS, "PIPELINER_QSUB_COMMAND": "/opt/rd/bin/../bin/relion_dispatch.py"},
        {**OURS, "PIPELINER_QSUB_TEMPLATE": "/opt/other/way/relion_template.sh"},
        {"PIPELINER_QSUB_COMMAND": "/relion-dispatch/relion_client.sh"},
        {**OURS, "PIPELINER_MPI_MAX": "3", "PIPELINER_QUEUE_NAME": "gpu"},
    ],
)
def test_what_hides_nothing_of_ours_is_not_named(environment: dict[str, str]) -> None:
    assert [*hidden_settings(environment)] == []


def test_a_command_that_is_not_ours_hides_the_hook_also_where_nothing_else_is_set() -> None:
    assert len([*hidden_settings({"PIPELINER_QSUB_COMMAND": "qsub"})]) == 1


def test_fields_of_another_site_are_named() -> None:
    fields = {FIELDS: field_names({"time": "Time limit:"}), f"{LABEL}1": "Time limit:"}

    assert not [*foreign_fields(fields)]
    (sentence,) = foreign_fields({**fields, f"{LABEL}1": "Days:"})
    assert "another site: RELION_QSUB_EXTRA1 (Days:)" in sentence


def test_check_says_it(monkeypatch: pytest.MonkeyPatch, own_folders: None) -> None:
    monkeypatch.setenv("PIPELINER_QSUB_COMMAND", "sbatch")

    monkeypatch.setenv(FIELDS, field_names({"time": "Time limit:"}))
    monkeypatch.setenv(f"{LABEL}1", "Days:")

    assert any("PIPELINER_QSUB_COMMAND" in sentence for sentence in remarks())
    assert any("RELION_QSUB_EXTRA1 (Days:)" in sentence for sentence in remarks())

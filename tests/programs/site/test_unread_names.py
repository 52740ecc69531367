"""A word in a scheduler's `names` that no template uses changes nothing, so `check` tells it."""

from __future__ import annotations

import pytest

from dispatcher.config.job_types import load_job_types
from dispatcher.config.places import config_path
from dispatcher.config.site import load_site
from dispatcher.site.scheduler_check import unread_names, unread_wishes

from ...fixture_types import WriteSite


@pytest.mark.parametrize(
    ("scheduler", "key", "says"),
    [
        ("pbs", "gpu", 'names.gpu": no template of this scheduler uses it; did you mean "gpus"?'),
        ("lsf", "memory_units", 'did you mean "memory_unit"?'),
        ("lsf", "queue", "uses it: remove the key."),
    ],
)  # fmt: skip
def test_a_misspelt_name_is_told(scheduler: str, key: str, says: str, site: WriteSite) -> None:
    site("site.json", {"schedulers": {scheduler: {"names": {key: "x"}}}})

    (problem,) = unread_names(load_site())

    assert says in problem


def test_the_shipped_names_are_used() -> None:
    assert list(unread_names(load_site())) == []


def test_a_name_of_a_sites_own_template_is_used(site: WriteSite) -> None:
    site("job_template/schedulers/pbs/further_directives.sh.j2", "#PBS -l {{ job.names.disk }}=1\n")
    site("site.json", {"schedulers": {"pbs": {"names": {"disk": "ssd"}}}})

    assert list(unread_names(load_site())) == []


def test_wishes_that_the_schedulers_templates_do_not_pass_on_are_named(site: WriteSite) -> None:
    a100 = {"gpu_type": "a100", "constraint": "big"}
    partition = {"qos": "long", "cores": 8, "nodes": [{"cores": 8, "gpus": 1, **a100}]}
    types = {"gpu": {"qos": "fast", "partition": "gpu"}, "submit": {"account": "em"}}
    content = {"partitions": {"gpu": partition}, "job_parameters": types}

    def said(scheduler: str) -> list[str]:
        site("site.json", {"scheduler": scheduler, **content})
        return [
            each.partition('key "')[2].partition('"')[0]
            for each in unread_wishes(
                load_site(), load_job_types(config_path("dispatch_config.json"))
            )
        ]

    assert said("slurm") == said("local") == []
    assert said("pbs") == [
        "partitions.gpu.qos", "job_parameters.gpu.qos", "partitions.gpu.nodes.0.constraint"
    ]  # fmt: skip
    assert said("lsf") == []

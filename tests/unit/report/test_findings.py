"""What stands out in figures, and the sentence for it."""

from __future__ import annotations

from dispatcher.report.causes import OTHER, advice_of, cause_of
from dispatcher.report.figures import Figures
from dispatcher.report.findings import findings
from dispatcher.report.job_row import JobRow

from .rows import HOUR, MONDAY, job_row

ADVICE = {"a GPU ran out of memory": "use fewer ranks per GPU"}


def found(*rows: JobRow) -> dict[str, str]:
    made = findings(Figures.of(rows), ADVICE, "since 2026-01-31")
    return {each.title: each.sentence for each in made}


def test_good_jobs_are_no_finding() -> None:
    assert not found(*[job_row(seconds=8 * HOUR, started=MONDAY)] * 20)


def test_a_cause_of_failures_has_its_advice() -> None:
    failed = job_row(outcome="failed", cause="a GPU ran out of memory")

    sentences = found(failed, failed, job_row())

    assert sentences["Failed: a GPU ran out of memory"] == (
        "2 jobs took 8.0 GPU-hours since 2026-01-31 and failed, each because a GPU ran out of "
        "memory: use fewer ranks per GPU."
    )
    assert sentences["Failed jobs of ada"] == (
        "2 of the 3 jobs of ada failed since 2026-01-31, and took 8.0 GPU-hours, most often "
        "(2 times) because a GPU ran out of memory: use fewer ranks per GPU."
    )


def test_a_single_failure_is_no_habit() -> None:
    assert not found(job_row(outcome="failed", cause="a GPU ran out of memory"))


def test_idle_gpus_of_a_type_and_of_a_user() -> None:
    sentences = found(*[job_row(gpus=4, means=(90, 90, 0, 0))] * 3)

    assert sentences["Idle GPUs of refine"].startswith(
        "Successful jobs of the type refine used 6 of their 12 GPUs that were watched since "
        "2026-01-31, and left 12 GPU-hours idle: lower"
    )
    assert sentences["Idle or little used GPUs of ada"].startswith(
        "GPUs of ada were idle or little used for 12 of 24 GPU-hours since 2026-01-31: ask"
    )


def test_little_used_gpus() -> None:
    sentences = found(*[job_row(means=(5, 5))] * 3)

    assert "were less than 15 % busy for 12 GPU-hours" in sentences["Little used GPUs of refine"]


def test_advice_is_for_what_the_program_can_do() -> None:
    def advice(**keys: bool) -> tuple[str, ...]:
        sentences = found(*[job_row(means=(5, 5), **keys)] * 3)
        names = ("Little used GPUs of refine", "Idle or little used GPUs of ada")
        return tuple(sentences[name].rpartition(": ")[2] for name in names)

    scratch = "let RELION copy particles to the scratch disk, or pre-read them into RAM"
    assert advice() == ("ask for fewer GPUs.", "ask for fewer GPUs.")
    assert advice(several_ranks=True)[0] == "try more ranks on fewer GPUs."
    assert advice(reads_particles=True) == (
        f"{scratch}, and ask for fewer GPUs.",
        f"ask for fewer GPUs, and {scratch}.",
    )


def test_much_time_asked_for() -> None:
    sentences = found(*[job_row()] * 5)

    assert sentences["Time asked by refine"] == (
        "Half of the 5 successful jobs of the type refine used less than 20 % of the time that "
        "they asked for (10 h), and 95 % of them less than 20 %: a shorter time lets the scheduler "
        "start such jobs earlier."
    )


def test_much_memory_asked_for() -> None:
    sentences = found(*[job_row(peak_bytes=8 << 30)] * 5)

    assert (
        "used less than 12 % of the memory that they asked for (64 GiB)"
        in (sentences["Memory asked by refine"])
    )


def test_long_waits() -> None:
    sentences = found(*[job_row(started=MONDAY + 2 * HOUR)] * 5)

    assert "in the partition gpu waited longer than 2 h" in sentences["Waiting in gpu"]


def test_gpus_that_nobody_watched() -> None:
    sentences = found(*[job_row(means=())] * 3)

    assert '"watch_gpus": true' in sentences["GPUs that nobody watched"]


def test_the_clause_on_a_failure_names_no_file_and_no_person() -> None:
    known = {"the disk is full": "free space"}

    assert cause_of("It failed after 1:00:00, because the disk is full: free space.", known) == (
        "the disk is full"
    )
    assert cause_of("It failed, because relion_refine ended with status 1: /home/ada", {}) == (
        "relion_refine ended with status 1"
    )
    for sentence in (
        "It failed, because /home/ada/secret was not found: look there.",
        "It failed, because adas_program ended with status 1: x",
        "nothing",
        None,
    ):
        assert cause_of(sentence, known) == OTHER


def test_causes_have_the_advice_of_the_sites_files() -> None:
    from dispatcher.config.endings import load_endings
    from dispatcher.config.site import load_site

    advice = advice_of(load_endings().values(), load_site().schedulers.values())

    assert advice["its node was lost"] == "continue the job, or run it again"
    assert "use fewer ranks per GPU" in advice["a GPU ran out of memory"]

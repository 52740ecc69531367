"""Numbers of ranks and threads that are none: refused, or told if they may mean something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.errors import InputError

from ...fixture_types import CorpusJob, WriteSite
from .planned import plan

pytestmark = pytest.mark.usefixtures("images")

ODD = ["1e1", "²", "0x10", "1_0", "-4", "0", "x", "1.5", "٣"]
OUT_OF_BOUNDS = ["2000", "9" * 5000]


@pytest.fixture(autouse=True)
def undecided(site: WriteSite) -> None:
    """A site that leaves ranks and threads to RELION's window."""
    site(
        "dispatch_config.json",
        {
            "relion": {"match_command": "relion_refine", "template": "submit"},
            "own": {"match_command": "mytool.py", "template": "submit"},
        },
    )


def with_option(script: Path, text: str, given: str = "--j 4") -> Path:
    before = script.read_text()
    assert given in before
    script.write_text(before.replace(given, text))
    return script


@pytest.mark.parametrize("value", [*ODD, *OUT_OF_BOUNDS])
@pytest.mark.parametrize("form", ["--j {}", "--j={}"])
def test_no_program_of_relion_is_given_threads_that_are_no_number(
    form: str, value: str, corpus_job: CorpusJob
) -> None:
    script = with_option(corpus_job("relion-5.0.1/Class3D_job010"), form.format(value))

    with pytest.raises(InputError, match=r"threads .*--j.* 1024 .*correct the number") as caught:
        plan(script)

    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("value", ODD)
def test_a_number_that_the_job_type_decides_is_no_excuse(
    value: str, site: WriteSite, corpus_job: CorpusJob
) -> None:
    types = {
        "any": {
            "match_command": "relion_refine",
            "template": "submit",
            "job_parameters": {"nproc": 3, "nthread": 2},
        }
    }
    site("dispatch_config.json", types)
    script = with_option(corpus_job("relion-5.0.1/Class3D_job010"), f"--j {value}")

    with pytest.raises(InputError, match=r"threads for each rank \(--j\)"):
        plan(script)

    types["any"]["relion_remove_parameter"] = ["j"]  # type: ignore[assignment]
    site("dispatch_config.json", types)
    assert plan(script).nthread == 2


@pytest.mark.parametrize("value", [*ODD, *OUT_OF_BOUNDS])
def test_commands_beside_the_main_one_and_their_other_options_are_looked_at(
    value: str, corpus_job: CorpusJob
) -> None:
    script = corpus_job("relion-5.0.1/Class3D_job010")
    beside = f"`which relion_tomo_reconstruct_particle` --j 2 --j_out {value}\n"
    script.write_text(script.read_text() + "\n" + beside)

    with pytest.raises(InputError, match=r"threads for each rank \(--j_out\)"):
        plan(script)


@pytest.mark.parametrize("value", [*ODD, "auto", "$CORES"])
def test_a_word_for_the_users_own_program_stays_and_is_told(
    value: str, corpus_job: CorpusJob
) -> None:
    script = corpus_job("relion-5.0.1/External_job023")
    out, err = script.read_text().splitlines()[:2]
    script.write_text(f"{out}\n{err}\n/opt/bin/mytool.py --o External/job023/ --j {value}\n")

    planned = plan(script)

    assert planned.nthread == 1
    assert planned.commands[0].command.value("j") == value
    assert (
        f"--j {value} is no whole number from 1 here, and does not count: the job gets 1 core for "
        "each rank."
    ) in planned.reasons


def test_a_variable_that_the_node_expands_is_told(corpus_job: CorpusJob) -> None:
    script = with_option(corpus_job("relion-5.0.1/Class3D_job010"), "--j $CORES")

    planned = plan(script)

    assert planned.nthread == 1
    assert [each for each in planned.reasons if each.startswith("--j $CORES is no whole number")]


@pytest.mark.parametrize("field", ["ranks", "threads"])
@pytest.mark.parametrize("value", ["1e+06", "²", "0x10", "-4", "0"])
def test_a_field_of_the_window_that_is_no_such_number_is_named(
    value: str, field: str, corpus_job: CorpusJob
) -> None:
    script = corpus_job("relion-5.0.1/Class3D_job010")
    out, err, command = script.read_text().splitlines()[:3]
    script.write_text(
        f"outfile: {out}\nerrfile: {err}\n{field}: {value}\n----- commands -----\n"
        f"{command.replace('--j 4', '')}\n----- end of commands -----\n"
    )

    with pytest.raises(InputError, match=rf"asks for {value.replace('+', '.')} .*{field}"):
        plan(script)


@pytest.mark.parametrize("value", ["1e1", "²", "-4", "0"])
def test_ranks_of_the_windows_file_that_are_no_number_are_named(
    value: str, corpus_job: CorpusJob
) -> None:
    script = corpus_job("relion-5.0.1/Class3D_job010")
    (script.parent / "job.star").write_text(
        "data_joboptions_values\n\nloop_\n_rlnJobOptionVariable #1\n_rlnJobOptionValue #2\n"
        f"nr_mpi {value}\n"
    )

    with pytest.raises(InputError, match=f"asks for {value} MPI ranks"):
        plan(script)

"""The job's GPUs: which they are, how many, how large, and what is refused."""

from __future__ import annotations

import os

import pytest

from .conftest import Shell

SMI = "gpu/nvidia-smi"
NODE = os.uname().nodename


@pytest.mark.parametrize(
    ("visible", "gpus"),
    [
        (None, ["GPU-aaaa-0", "GPU-bbbb-1"]),
        ("1", ["GPU-bbbb-1"]),
        ("1,0", ["GPU-bbbb-1", "GPU-aaaa-0"]),
        ("GPU-bbbb, 0", ["GPU-bbbb-1", "GPU-aaaa-0"]),
        ("1,7,0", ["GPU-bbbb-1"]),
    ],
)
def test_the_visible_gpus_stand_in_the_jobs_order(
    visible: str | None, gpus: list[str], shell: Shell
) -> None:
    shell.stand_in(SMI)
    variables = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}

    said = shell.says("visible_gpus 8", **variables)

    assert said.splitlines() == [f"{gpu} 24564 Default [N/A]" for gpu in gpus]


@pytest.mark.parametrize("visible", ["7", "7,0", "-1", "GPU-cccc"])
def test_a_list_that_names_none_of_the_nodes_gpus_is_told(visible: str, shell: Shell) -> None:
    """CUDA ends its list at the first entry that it does not know."""
    shell.stand_in(SMI)

    assert shell.says("visible_gpus 8", CUDA_VISIBLE_DEVICES=visible) == "none"


def test_a_node_without_a_gpu_is_told(shell: Shell) -> None:
    (shell.programs / "nvidia-smi").write_text("#!/bin/bash\necho No devices were found\nexit 6\n")
    (shell.programs / "nvidia-smi").chmod(0o755)

    assert shell.says("visible_gpus 8") == "none"
    assert shell.says("look_at_gpus 8") == f"0 0 shared {NODE}"


@pytest.mark.parametrize(
    ("gpus", "variables", "seen"),
    [
        ("GPU-1 1 Default [N/A]\nGPU-2 1 Default [N/A]", {"CUDA_VISIBLE_DEVICES": "0"}, "2"),
        ("none", {}, "0"),
        ("", {}, "-"),
        ("", {"CUDA_VISIBLE_DEVICES": "0,1, 2"}, "3"),
        ("", {"CUDA_VISIBLE_DEVICES": "MIG-1"}, "1"),
        ("", {"ROCR_VISIBLE_DEVICES": "0,1"}, "2"),
        ("", {"ROCR_VISIBLE_DEVICES": "2,3", "HIP_VISIBLE_DEVICES": "0"}, "1"),
        ("", {"HIP_VISIBLE_DEVICES": "0"}, "1"),
    ],
)
def test_gpus_are_counted_by_the_tool_or_by_the_lists_of_the_scheduler(
    gpus: str, variables: dict[str, str], seen: str, shell: Shell
) -> None:
    lists = ["CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"]
    given = [f"dispatch_gpu_lists=({' '.join(lists)})"]

    assert shell.says(f"seen_gpus '{gpus}'", given=given, **variables) == seen
    if not gpus:
        assert shell.says("listed_gpus", given=given, **variables) == seen


def test_only_the_first_gpus_count(shell: Shell) -> None:
    shell.stand_in(SMI)

    assert shell.says("visible_gpus 2", DISPLAY_CARD="yes").count("\n") == 1
    assert shell.says("visible_gpus 1").startswith("GPU-aaaa-0")


@pytest.mark.parametrize(
    ("gpus", "variables", "least"),
    [
        ("GPU-1 24000 Default [N/A]\nGPU-2 16000 Default [N/A]", {}, 16000),
        ("", {}, 0),
        ("GPU-1 40000 Default Enabled", {}, 5 * 953),
        ("", {"CUDA_VISIBLE_DEVICES": "MIG-11111111-2222-5333-8444-555555555555"}, 20 * 953),
    ],
)
def test_the_smallest_memory_is_that_of_cards_or_slices(
    gpus: str, variables: dict[str, str], least: int, shell: Shell
) -> None:
    shell.stand_in(SMI)

    assert shell.says(f"smallest_memory '{gpus}'", **variables) == str(least)


@pytest.mark.parametrize(
    ("mode", "answer"), [("Default", "2 24564 shared"), ("Exclusive_Process", "2 24564 exclusive")]
)
def test_a_node_tells_of_its_gpus(mode: str, answer: str, shell: Shell) -> None:
    shell.stand_in(SMI)

    assert shell.says("look_at_gpus 2", MODE=mode) == f"{answer} {NODE}"


def test_a_silent_nvidia_smi_is_named_and_an_absent_one_is_not(shell: Shell) -> None:
    absent = shell("tell_of_gpus ''")
    shell.stand_in("gpu/silent/nvidia-smi")
    silent = shell("tell_of_gpus ''")

    assert absent.stdout == silent.stdout == f"- 0 shared {NODE}\n"
    assert "did not report the job's GPUs" in silent.stderr
    assert absent.stderr == ""


@pytest.mark.parametrize(
    ("given", "gpus", "says"),
    [
        ("", 1, "its scheduler gave it no GPU"),
        ("-1", 1, "its scheduler gave it no GPU"),
        ("NoDevFiles", 1, "its scheduler gave it no GPU"),
        ("MIG-1,MIG-2", 2, "several slices of divided GPUs"),
        ("MIG-1,MIG-2", 1, None),
        ("MIG-1", 2, None),
        ("0,1", 2, None),
    ],
)
def test_what_is_no_gpu_is_refused(given: str, gpus: int, says: str | None, shell: Shell) -> None:
    done = shell(
        "trap 'echo \"$dispatch_reason\"' EXIT; refuse_what_is_no_gpu",
        given=[f"dispatch_gpus={gpus}"],
        CUDA_VISIBLE_DEVICES=given,
    )

    assert done.returncode == (1 if says else 0)
    assert says is None or says in done.stdout


HEARS = 'hear_of_gpus; echo "$dispatch_memory $dispatch_sharing $dispatch_seen $dispatch_fewest"'


@pytest.mark.parametrize(
    ("answers", "mps", "heard"),
    [
        (["4 24000 shared n1 "], "yes", "24000 mps 4 n1"),
        (["4 24000 shared n1 "], "", "24000 shared 4 n1"),
        (["4 24000 exclusive n1 "], "yes", "24000 mps 4 n1"),
        (["4 24000 exclusive n1 "], "", "24000 exclusive 4 n1"),
        (["4 24000 shared n1 there is none"], "yes", "24000 shared 4 n1"),
        (["4 24000 exclusive n1 it is held"], "yes", "24000 exclusive 4 n1"),
        (["4 24000 shared n1 ", "2 16000 shared n2 "], "yes", "16000 mps 2 n2"),
        (["0 0 shared n1 ", "4 16000 shared n2 "], "yes", "16000 mps 0 n1"),
        (["- 0 shared n1 ", "4 16000 shared n2 "], "yes", "16000 mps 4 n2"),
        (["- 24000 exclusive n1 it is held", "- 8 shared n2 none"], "yes", "8 exclusive  "),
        (["2 24000 shared n1 none", "4 8 exclusive n2 "], "yes", "8 shared 2 n1"),
    ],
)
def test_the_fewest_gpus_and_the_smallest_of_all_nodes_count(
    answers: list[str], mps: str, heard: str, shell: Shell
) -> None:
    lines = "".join(f"{answer}\\n" for answer in answers)
    code = f"exec {{dispatch_answers}}< <(printf -- '{lines}'); dispatch_keeper_pid=1; {HEARS}"

    done = shell(code, given=[f"dispatch_mps={mps}", f"dispatch_nodes={len(answers)}"])

    assert done.stdout == f"{heard}\n"
    assert ("The ranks on n1 run without MPS" in done.stderr) == (answers[0][-1] != " ")


def test_a_node_that_does_not_answer_is_said_and_goes_without_mps(shell: Shell) -> None:
    code = f"exec {{dispatch_answers}}< <(echo '1 8 shared n1'); dispatch_keeper_pid=1; {HEARS}"

    done = shell(code, given=["dispatch_mps=yes", "dispatch_nodes=2"])

    assert done.stdout == "8 shared 1 n1\n"
    assert "Not every node of the job reported its GPUs" in done.stderr


def test_without_a_keeper_the_nodes_are_asked_themselves(shell: Shell) -> None:
    shell.stand_in(SMI, "srun")

    said = shell.says(HEARS, scheduler="slurm", given=["dispatch_nodes=2"], MIB="6000")

    assert said == f"6000 shared 2 {NODE}"


@pytest.mark.parametrize(
    ("tool", "given", "steps"),
    [
        ("nvidia-smi", [], "refuse hear fit"),
        ("nvidia-smi", ["dispatch_watch_gpus=yes"], "refuse keeper hear fit"),
        ("nvidia-smi", ["dispatch_mps=yes"], "refuse keeper hear join fit"),
        ("nvidia-smi", ["dispatch_nodes=2"], "refuse hear fit place"),
        ("", ["dispatch_nodes=2"], "refuse hear fit place"),
        ("", ["dispatch_watch_gpus=yes"], "refuse hear fit"),
    ],
)
def test_what_is_done_for_gpus_depends_on_their_vendor_and_the_plan(
    tool: str, given: list[str], steps: str, shell: Shell
) -> None:
    functions = """
        refuse_what_is_no_gpu() { echo refuse; }
        start_keeper() { dispatch_mps_folder=$dispatch_mps; echo keeper; }
        hear_of_gpus() { echo hear; }
        join_mps() { echo join; }
        fit_ranks() { echo fit; }
        place_ranks() { echo place; }
    """

    said = shell.says(f"{functions} look_after_gpus", given=[f"dispatch_gpu_tool={tool}", *given])

    assert said.split() == steps.split()


def test_gpus_are_left_though_the_job_ended_early(shell: Shell) -> None:
    """Before look_after_gpus was called."""
    functions = "end_keeper() { echo keeper; }; forget_places() { echo places; }"

    assert shell.says(f"{functions}; leave_gpus") == "places"
    assert shell.says(f"{functions}; dispatch_keeper_pid=5; leave_gpus").split() == [
        "keeper",
        "places",
    ]

"""How many GPUs the command of a user's own program asks for, and which."""

from __future__ import annotations

import pytest

from dispatcher.relion.asked_gpus import ALL, asked_gpus, with_own_devices
from dispatcher.relion.command import parse_command


@pytest.mark.parametrize(
    ("options", "number"),
    [
        ("--gpu 0,1", 2),
        ("--gpu 0:1:2", 3),
        ("--gpu 0:0:1:1", 2),  # four ranks on two GPUs
        ('--gpu "0 1"', 2),
        ("--gpu=0,1", 2),
        ("--gpu 0, 1", 2),
        ("--gpu 1", 1),  # the device 1
        ("-g 0 1", 2),  # crYOLO
        ("-gpu 3", 1),
        ("--GPU_IDs 0,1,2,3", 4),
        ("--gpu-id 2", 1),
        ("--device cuda:1", 1),
        ("--device 0", 1),
        ("--devices 0,1", 2),
        ("--gpus 2", 2),
        ("--gpus 0", 1),
        ("--gpus 0,1", 2),
        ("--num_gpus 2", 2),
        ("--ngpu 3", 3),
        ("--ngpu 0", 0),
        ("--n-gpus 4", 4),
        ("--gpu", 1),
        ('--gpu ""', 1),
        ("--use_gpu yes", 1),
        ("--use_gpu --gpu_ids 0,1", 2),
        ("--gpu $CARDS", 1),
        ("--gpu all", ALL),
        ("--gpu -1", 0),
        ("--use_gpu No", 0),
        ("--device cpu", 0),
        ("--no-gpu", None),
        ("-g gain.mrc", None),
        ("-g 120", None),
        ("--device /dev/video0", None),
        ("--threads 2 --box 2", None),
    ],
)
def test_the_gpus_that_a_command_asks_for(options: str, number: int | None) -> None:
    asked = asked_gpus(parse_command(f"/opt/x.py --o External/job1/ {options} --j 4"))

    assert (asked and asked.number) == number


def test_what_the_command_said_is_told_as_it_was_written() -> None:
    asked = asked_gpus(parse_command("/opt/x.py --o External/job1/ -g 0 1 --j 4"))

    assert asked is not None
    assert asked.text == "-g 0 1"


@pytest.mark.parametrize(
    ("options", "ngpu", "becomes"),
    [
        ("--gpu 2,3", 2, "--gpu 0,1"),
        ("--gpu 0,1", 2, "--gpu 0,1"),
        ("--gpu 1,0", 2, "--gpu 1,0"),  # both are the job's
        ("--gpu 1", 1, "--gpu 0"),
        ("--gpu=1:3", 2, "--gpu=0:1"),
        ('--gpu "4 5"', 2, "--gpu '0 1'"),
        ("-g 4 5", 2, "-g 0 1"),
        ("-g 0 1 2 3", 2, "-g 0 1"),  # the node has no more
        ("--gpu 0:0:1:1", 1, "--gpu 0:0"),
        ("--device cuda:1", 1, "--device cuda:0"),
        ("--gpus 2", 2, "--gpus 2"),  # a number of GPUs
        ("--gpu $CARDS", 1, "--gpu ${CARDS}"),
        ("--gpu yes", 1, "--gpu yes"),
    ],
)
def test_devices_of_another_machine_become_the_jobs_own(
    options: str, ngpu: int, becomes: str
) -> None:
    command = parse_command(f"/opt/x.py --o External/job1/ {options} --j 4")

    rewritten = with_own_devices(command, ngpu, ngpu)

    assert rewritten.shell() == f"/opt/x.py --o External/job1/ {becomes} --j 4"


def test_devices_that_the_program_sees_stay() -> None:
    command = parse_command("/opt/x.py --gpu 2,3 --j 4")

    assert with_own_devices(command, ngpu=2, visible=4).shell() == command.shell()

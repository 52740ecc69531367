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
        ("--use_gpu 1", 1),
        ("--use_gpu 0", 0),
        ("--use-gpu=0", 0),
        ("--use_cuda 1", 1),
        ("--use_cuda 0", 0),
        ("--enable_gpu True", 1),
        ("--with_gpu false", 0),
        ("--use_gpus 2", 2),
        ("--use_gpu 0,1", 2),
        ("--use_gpu --gpu_ids 0,1", 2),
        ("--use_gpu 1 --gpu_ids 0,1", 2),
        ("--use_gpu 0 --gpu_ids 0,1", 0),  # as RELION's own window has it
        ("--gpu_ids 0,1 --use_gpu no", 0),
        ("--gpu_num 2", 2),
        ("--gpu_num 0", 1),
        ("--num_devices 2", 2),
        ("--cuda", 1),
        ("--cuda 0,1", 2),
        ("--cuda 1", 1),
        ("--accelerator gpu", 1),
        ("--accelerator gpu --devices 2", 2),
        ("--accelerator cpu --devices 2", 0),
        ("--accelerator tpu", None),
        ("--devices 2", 2),
        ("--devices 0", 1),
        ("--devices 0 1", 2),
        ("--gpu $CARDS", 1),
        ("--gpu all", ALL),
        ("--gpu -1", 0),
        ("--use_gpu No", 0),
        ("--device cpu", 0),
        ("--no-gpu", None),
        ("-g gain.mrc", None),
        ("-g 120", None),
        ("--g 5", None),  # a parameter of RELION's window that is called g
        ("--g 0", None),
        ("--g=0,1", None),
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
        ("--devices 2", 2, "--devices 2"),
        ("--devices 2,3", 2, "--devices 0,1"),
        ("--gpu_num 1", 1, "--gpu_num 1"),
        ("--num_devices 3", 1, "--num_devices 3"),
        ("--use_gpu 1", 1, "--use_gpu 1"),  # a switch
        ("--use_cuda=1", 1, "--use_cuda=1"),
        ("--use_gpu 1 7", 1, "--use_gpu 1 7"),
        ("--use_gpu 2,3", 2, "--use_gpu 0,1"),
        ("--use_gpu_ids 2", 1, "--use_gpu_ids 0"),
        ("--cuda 1", 1, "--cuda 1"),  # a switch, or a device
        ("--cuda cuda:1", 1, "--cuda cuda:0"),
        ("--g 5", 1, "--g 5"),
        ("-g 5", 1, "-g 0"),
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

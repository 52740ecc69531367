"""In what RELION's programs differ: MPI, threads, GPUs, and which other programs they start.

From RELION's source, 3.1 to 5.1 (the programs' own argument parsers and apps/*_mpi.cpp).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["FILE_TOOLS", "Call", "OnGpusAlone", "Program", "lookup", "strip_mpi"]

# What RELION itself writes beside its programs; these run on the host, outside any image.
FILE_TOOLS = frozenset({"rm", "touch", "echo", "ln", "cp", "mv", "mkdir"})


class Call(NamedTuple):
    """A program that another one starts by itself.

    Attributes:
        program: its name.
        when: the options of which one makes the other program start it; none: it always does.
        unless: the options that keep the other program from it.
        named_by: the options that may name a program in its place.
    """

    program: str
    when: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    named_by: tuple[str, ...] = ()


class OnGpusAlone(NamedTuple):
    """A wrapped `program` that does not run without GPUs: its option, and what runs `instead`."""

    option: str
    program: str
    instead: str


class Program(NamedTuple):
    """A RELION program.

    Attributes:
        mpi: there is a ``NAME_mpi`` beside ``NAME``.
        idle_leader: its rank 0 hands out work and uses no GPU.
        threads: the options that set the number of threads; RELION's first is the main one.
        gpu: the option that names the GPUs, None for a program that uses none.
        gpu_groups: what that option's ``:`` separates. "followers": a group for each follower, and
            fewer are repeated from the first (ml_optimiser_mpi.cpp:228, 5.0.1); "each rank": one
            for every rank, and too few stop the program (autopicker_mpi.cpp:57). "" for a program
            that takes one GPU, which its job type names.
        calls: the programs of RELION that it starts by itself.
        on_gpus_alone: the programs that it wraps and that do not run without GPUs.
        weights: the folder below ``TORCH_HOME/hub/checkpoints`` with the weights of its networks,
            which it downloads at first use; "" for none.
    """

    mpi: bool = False
    idle_leader: bool = False
    threads: tuple[str, ...] = ()
    gpu: str | None = None
    gpu_groups: Literal["", "followers", "each rank"] = ""
    calls: tuple[Call, ...] = ()
    on_gpus_alone: tuple[OnGpusAlone, ...] = ()
    weights: str = ""


# Every AutoPick job of RELION 5 names topaz; training and extraction alone start it
# (pipeline_jobs.cpp:2174 and autopicker.cpp:2957, 3008, 5.0.1). 4.0 calls the option --topaz_exe.
_TOPAZ_PICKS = Call(
    "relion_python_topaz",
    when=("topaz_train", "topaz_extract"),
    named_by=("fn_topaz_exe", "topaz_exe"),
)
# displayer.cpp:2571, 5.0.1; 4.0 names the program in the command.
_TOPAZ_DENOISES = Call("relion_python_topaz", when=("topaz_denoise",), named_by=("topaz_exe",))

_PROGRAMS = {
    "relion_refine": Program(
        mpi=True,
        idle_leader=True,
        threads=("--j",),
        gpu="--gpu",
        gpu_groups="followers",
        calls=(Call("relion_python_blush", when=("blush",)),),  # backprojector.cpp:1286, 5.0.1
    ),
    "relion_autopick": Program(
        mpi=True, gpu="--gpu", gpu_groups="each rank", calls=(_TOPAZ_PICKS,)
    ),
    "relion_find_amyloid": Program(
        mpi=True,
        threads=("--j",),
        gpu="--gpu",
        gpu_groups="each rank",
        # What 5.1.0 says of its options --exe and --skip_tracing.
        calls=(Call("relion_python_trace_amyloids", unless=("skip_tracing",), named_by=("exe",)),),
    ),
    "relion_manualpick": Program(calls=(_TOPAZ_DENOISES,)),
    "relion_display": Program(calls=(_TOPAZ_DENOISES,)),
    # class_ranker.cpp:1885, 5.0.1; in 4.0 the command always names a Python instead.
    "relion_class_ranker": Program(
        calls=(Call("relion_python_classranker", unless=("train", "python")),)
    ),
    "relion_run_motioncorr": Program(
        mpi=True,
        threads=("--j",),
        gpu="--gpu",
        gpu_groups="each rank",
        on_gpus_alone=(OnGpusAlone("use_motioncor2", "MotionCor2", "RELION's own implementation"),),
    ),
    "relion_run_ctffind": Program(
        mpi=True,
        gpu="--gpu",
        gpu_groups="each rank",
        on_gpus_alone=(OnGpusAlone("use_gctf", "Gctf", "CTFFIND"),),
    ),
    "relion_preprocess": Program(mpi=True),
    "relion_postprocess": Program(mpi=True),
    "relion_reconstruct": Program(mpi=True),
    "relion_particle_subtract": Program(mpi=True),
    "relion_ctf_refine": Program(mpi=True, threads=("--j",)),
    "relion_motion_refine": Program(mpi=True, threads=("--j",)),
    "relion_mask_create": Program(threads=("--j",)),
    "relion_align_tiltseries": Program(
        mpi=True,
        gpu="--gpu",
        gpu_groups="each rank",
        on_gpus_alone=(OnGpusAlone("aretomo2", "AreTomo2", "IMOD"),),
    ),
    "relion_tomo_reconstruct_tomogram": Program(mpi=True, threads=("--j",)),
    "relion_tomo_subtomo": Program(mpi=True, threads=("--j",)),
    "relion_tomo_refine_ctf": Program(mpi=True, threads=("--j",)),
    "relion_tomo_align": Program(mpi=True, threads=("--j",)),
    "relion_tomo_reconstruct_particle": Program(mpi=True, threads=("--j", "--j_out")),
    "relion_python_dynamight": Program(threads=("--n-threads",), gpu="--gpu-id"),
    "relion_python_modelangelo": Program(gpu="-d", weights="model_angelo_v1.0"),
    "relion_python_tomo_denoise": Program(gpu="--gpu"),
    "relion_python_blush": Program(weights="relion_blush"),
    "relion_python_classranker": Program(weights="relion_class_ranker"),
    "relion_python_trace_amyloids": Program(weights="relion_trace_amyloids"),
}


def lookup(program: str) -> Program:
    """What the program (with or without ``_mpi``) takes; nothing special for an unknown one."""
    return _PROGRAMS.get(strip_mpi(program), Program())


def strip_mpi(program: str) -> str:
    """``/opt/relion_refine_mpi`` → ``relion_refine``: without folder and ``_mpi``."""
    return program.rpartition("/")[2].removesuffix("_mpi")

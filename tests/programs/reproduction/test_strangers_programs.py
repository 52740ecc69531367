"""Which programs of a stranger's record run, in which container, and which are asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .strangers import Stranger


@pytest.mark.parametrize(
    ("prefix", "asked"),
    [
        ("EVIL --quiet exec --no-eval --pwd=P IMAGE", None),
        ("EVIL apptainer --quiet exec --no-eval --pwd=P IMAGE", None),
        ("apptainer --quiet exec --no-eval --pwd=P IMAGE EVIL -n 5", None),
        ("apptainer EVIL exec --no-eval IMAGE", None),
        ("apptainer --quiet exec --pwd=EVIL IMAGE", None),
        ("apptainer --quiet exec --bind=/:/mnt IMAGE", "--accept-word --bind=/:/mnt"),
        ("apptainer --quiet exec --writable IMAGE", "--accept-word --writable"),
        ("apptainer --quiet exec --env=LD_PRELOAD=EVIL IMAGE", "--accept-word --env=LD_PRELOAD="),
        ("apptainer --quiet exec --home EVIL IMAGE", "--accept-word --home"),
        (
            "apptainer --quiet exec --mount=type=bind,source=/,destination=/ IMAGE",
            "--accept-bind /",
        ),
        (
            "apptainer --quiet exec --mount=type=bind,source=/scratch,destination=/usr/bin IMAGE",
            "--accept-bind /scratch",
        ),
        (
            "apptainer --quiet exec --mount=type=bind,source=/data/../etc,destination=/x,ro IMAGE",
            "--accept-bind /etc",
        ),
        (
            "apptainer --quiet exec --mount=type=bind,source=/a,destination=/b,rshared IMAGE",
            "--accept-word --mount=type=bind,source=/a,destination=/b,rshared",
        ),
    ],
)
def test_what_started_a_container_is_built_anew(
    stranger: Stranger, prefix: str, asked: str | None
) -> None:
    (own,) = stranger.honest["commands"]
    image = stranger.honest["image"]["path"]
    stranger.command(
        own["shell"], prefix.replace("EVIL", str(stranger.evil)).replace("IMAGE", image).split()
    )

    said = stranger.attack(accept=True)

    if asked:
        assert asked in said
    else:
        assert "accept" not in said
        text, _ = stranger.reproduce()
        assert text
        assert str(stranger.evil) not in text


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("EVIL --o Class3D/job010/run", "--accept-program EVIL"),
        ("bash -c 'touch CANARY'", "--accept-program bash"),
        ("./relion_refine --o Class3D/job010/run", "--accept-program ./relion_refine"),
        ("`which /tmp/relion_refine` --o Class3D/job010/run", "--accept-program /tmp/relion_ref"),
        ("relion_pipeliner --RunJobs x --schedule y", "--accept-program relion_pipeliner"),
        ("relion_run_ctffind --o Class3D/job010/ --ctffind_exe EVIL", "--accept-program EVIL"),
        ("relion_run_ctffind --ctffind_exe=EVIL", "--accept-program EVIL"),
        ("relion_run_ctffind --gctf_exe 'EVIL x'", "--accept-program 'EVIL x'"),
        ("relion_class_ranker --python EVIL", "--accept-program EVIL"),
        ("relion_python_tomo_denoise --cryocare-path EVIL", "--accept-program EVIL"),
        ("relion_autopick --topaz_args 'x; touch CANARY'", "--accept-word 'x; touch CANARY'"),
        ("relion_autopick --i '$(touch CANARY)'", "--accept-word '$(touch CANARY)'"),
        ("relion_refine --scratch_dir /home --keep_scratch", "--accept-bind /home"),
        ("$PROGRAM --o Class3D/job010/run", "--accept-program '$PROGRAM'"),
        ("relion_batchrun --i Select/job007/x.txt", "--accept-program relion_batchrun"),
        ("relion_batchrun_mpi --i Select/job007/x.txt", "--accept-program relion_batchrun_mpi"),
        ("relion_prepare_subtomo --imod_dir EVIL", "--accept-program EVIL"),
        ("relion_run_ctffind --ctffind_exe$X EVIL", "--accept-word '--ctffind_exe$X'"),
        ("relion_run_ctffind --ctffind_exe$dispatch_new EVIL", "--accept-word '--ctffind_exe"),
        ("relion_run_ctffind --ctf${X}_exe EVIL", "--accept-word '--ctf${X}_exe'"),
        ("relion_run_ctffind -$X EVIL", "--accept-word '-$X'"),
        ("relion_run_ctffind --ctffind_exe /bin/sh", "--accept-program /bin/sh"),
        ("relion_run_ctffind --ctffind_exe /tmp/ctffind", "--accept-program /tmp/ctffind"),
        ("relion_run_ctffind --ctffind_exe ./ctffind", "--accept-program ./ctffind"),
        ("relion_run_ctffind --ctffind_exe x/ctffind", "--accept-program x/ctffind"),
        ("relion_run_ctffind --ctffind_exe //opt/ctffind", "--accept-program //opt/ctffind"),
        ("relion_run_ctffind --ctffind_exe /opt/../tmp/ctffind", "--accept-program /opt/../tmp/"),
        ("relion_run_ctffind --ctffind_exe '/opt/ctffind x'", "--accept-program '/opt/ctffind x'"),
    ],
)
def test_a_program_that_is_not_relions_is_asked_for(
    stranger: Stranger, line: str, asked: str
) -> None:
    def here(text: str) -> str:
        text = text.replace("EVIL", str(stranger.evil))
        return text.replace("CANARY", str(stranger.canary))

    stranger.command(here(line))

    said = stranger.refused()

    assert here(asked) in said
    text, said = stranger.reproduce(*stranger.options_to_say_yes(said))
    assert text, said
    stranger.starts(text)
    for option in stranger.options_to_say_yes(stranger.refused())[::2]:
        assert stranger.reproduce(option, "another")[0] is None


@pytest.mark.parametrize(
    "line",
    [
        "touch /tmp/x",
        "touch Class3D/job010/../../x",
        "touch Select/job007/x",
        "touch Class3D/job0100/x",
        "touch -r Class3D/job010/a Class3D/job010/b",
        "touch Class3D/job010/$X",
        "cp -t / Class3D/job010/x",
        "cp --target-directory=/ Class3D/job010/x",
        "cp --target-directory=Class3D/job010 /etc/passwd",
        "cp /etc/passwd Class3D/job010/x",
        "cp $HOME/.ssh/id_rsa Class3D/job010/x",
        "cp ../../x Class3D/job010/x",
        "ln -s / Class3D/job010/x",
        "mv Select/job007/particles.star Class3D/job010/x",
        "rm -rf Class3D/job010/..",
        "rm -rf ~",
        "mkdir -m 777 Class3D/job010/x",
        "echo x > /tmp/x",
        "echo x >> Select/job007/particles.star",
        "echo x > Class3D/job010/../../x",
        "touch Class3D/job010/x > Class3D/job010/y",
    ],
)
def test_a_file_command_changes_the_jobs_folder_alone(stranger: Stranger, line: str) -> None:
    (own,) = stranger.honest["commands"]
    first = {"kind": "shell", "shell": line, "prefix": []}
    stranger.record(commands=[own, first])

    assert "cannot be run again beside the first run: its command" in stranger.refused()


def test_file_commands_run_in_the_container(stranger: Stranger) -> None:
    """Else a link in the new folder would lead them out of it."""
    (own,) = stranger.honest["commands"]
    lines = [
        "rm -f Class3D/job010/x",
        "cp -p Select/job007/particles.star Class3D/job010/x",
        "ln -s Class3D/job010/a Class3D/job010/b",
        "mv Class3D/job010/a Class3D/job010/c",
        "mkdir -p Class3D/job010/d",
        f"echo $({stranger.evil}) '`touch {stranger.canary}`' > Class3D/job010/e",
        "echo '-n' >> Class3D/job010/e",
        "echo hello",
    ]
    files = [{"kind": "shell", "shell": line, "prefix": []} for line in lines]
    stranger.record(commands=[own, *files])

    text, said = stranger.reproduce()

    assert text, said
    _, *started = stranger.starts(text)
    image = stranger.honest["image"]["path"].encode()
    new = b"Reproduced/Class3D/job010/"
    assert [argv[argv.index(image) + 1 :] for argv in started] == [
        [b"rm", b"-f", b"--", new + b"x"],
        [b"cp", b"-p", b"--", b"Select/job007/particles.star", new + b"x"],
        [b"ln", b"-s", b"--", new + b"a", new + b"b"],
        [b"mv", b"--", new + b"a", new + b"c"],
        [b"mkdir", b"-p", b"--", new + b"d"],
        [b"tee", b"--", new + b"e"],
        [b"tee", b"--append", b"--", new + b"e"],
        [b"echo", b"hello"],
    ]


def test_a_command_without_its_container_is_damage(stranger: Stranger) -> None:
    stranger.command(str(stranger.evil), prefix=[])

    assert "a command does not start the image" in stranger.refused()


def test_an_image_that_the_site_does_not_have_is_asked_for(stranger: Stranger) -> None:
    own = Path(stranger.honest["image"]["path"])
    copy = stranger.project / "x.sif"
    own.rename(copy)
    (own_command,) = stranger.honest["commands"]
    words = [str(copy) if word == str(own) else word for word in own_command["prefix"]]
    stranger.record(
        image=stranger.honest["image"] | {"path": str(copy)},
        commands=[own_command | {"prefix": words}],
    )
    catalogue = stranger.top / "site/images.json"
    listed = json.loads(catalogue.read_text())
    for versions in listed["relion"]["versions"].values():
        for build in versions:
            build.pop("sha256", None)
    catalogue.write_text(json.dumps(listed))

    assert f"--accept-image {copy}`" in stranger.refused()
    assert stranger.reproduce("--accept-image", str(copy))[0]


def test_a_launcher_across_nodes_is_the_sites(stranger: Stranger) -> None:
    (own,) = stranger.honest["commands"]
    image = stranger.honest["image"]["path"]
    words = f"{stranger.evil} --export=ALL -n 99 apptainer --quiet exec --no-eval --nv {image}"
    stranger.record(nodes=2, scheduler="../../evil", commands=[own | {"prefix": words.split()}])

    text, said = stranger.reproduce()

    assert text, said
    (argv,) = stranger.starts(text)
    assert argv[:2] == [b"srun", b"--mpi=pmix"]
    assert b"apptainer" in argv


@pytest.mark.parametrize(
    "program",
    [
        "/public/EM/ctffind/ctffind.exe",
        "/public/EM/RELION/topaz",
        "/public/EM/Gctf/bin/Gctf",
        "/public/EM/MOTIONCOR2/MotionCor2",
        "/public/EM/cryoCARE",
        "/public/EM/imod/IMOD/bin/batchruntomo",
        "/public/EM/AreTomo/AreTomo2/AreTomo2",
        "/opt/ctffind-4.1.14/bin/ctffind",
        "ctffind",
        "relion_python_topaz",
    ],
)
def test_a_program_that_relions_jobs_name_is_not_asked_for(
    stranger: Stranger, program: str
) -> None:
    """RELION's own values, and others in the image; but not where the project was there."""
    stranger.command(f"relion_run_ctffind --o Class3D/job010/ --ctffind_exe {program} --x_exe=''")

    assert stranger.reproduce()[0]

    if program.startswith("/"):
        (own,) = stranger.honest["commands"]
        stranger.honest["commands"] = [own | {"shell": f"relion_x --x_exe {program}"}]
        stranger.was_in(str(Path(program).parent))
        assert f"--accept-program {program}" in stranger.refused()

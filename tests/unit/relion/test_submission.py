"""The script that RELION wrote: both forms, and everything that may be wrong with one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dispatcher.config.places import shipped_folder
from dispatcher.errors import InputError
from dispatcher.relion.submission import Submission, parse_submission, read_submission

from ...corpus import CORPUS

SCRIPTS = sorted(CORPUS.glob("*/*/run_submit.script"))
TEMPLATE = shipped_folder() / "job_template" / "relion_template.sh"


def from_template(commands: list[str], **values: str) -> str:
    """What RELION makes of our template (saveJobSubmissionScript, src/pipeline_jobs.cpp)."""
    job = values.get("name", "Refine3D/job019/")
    replaced = {"name": job, "outfile": f"{job}run.out", "errfile": f"{job}run.err",
                "queue": "gpu", "mpinodes": "5", "threads": "4", **values}  # fmt: skip
    lines = []
    for line in TEMPLATE.read_text().splitlines():
        for name, value in replaced.items():
            line = line.replace(f"XXX{name}XXX", value)
        lines += commands if "XXXcommandXXX" in line else [line]
    return "\n".join(lines) + "\n\n"


def parse(text: str) -> Submission:
    return parse_submission(text, "run_submit.script")


def refusal(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert str(caught.value).startswith(("The submission script run_submit.script", "run_submit"))
    return str(caught.value)


def put(folder: Path, content: str | bytes, job: str = "Refine3D/job019") -> Path:
    script = folder / job / "run_submit.script"
    script.parent.mkdir(parents=True)
    script.write_bytes(content if isinstance(content, bytes) else content.encode())
    return script


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.parent.name)
def test_both_forms_say_the_same(script: Path) -> None:
    classic = parse_submission(script.read_text(), str(script))
    lines = [command.text for command in classic.commands]

    ours = parse(from_template(lines, name=f"{classic.job}/"))

    assert classic.job == script.parent.name.replace("_job", "/job")
    assert (classic.outfile, classic.errfile) == (
        f"{classic.job}/run.out",
        f"{classic.job}/run.err",
    )
    assert (ours.job, ours.outfile, ours.errfile) == (classic.job, classic.outfile, classic.errfile)
    assert ours.commands == classic.commands
    assert (ours.ranks, ours.threads, ours.queue) == (5, 4, "gpu")
    assert (classic.ranks, classic.threads, classic.queue) == (None, None, None)


def test_every_line_is_a_command_in_its_order() -> None:
    script = CORPUS / "relion-5.0.1/InitialModel_job009/run_submit.script"

    submission = parse(script.read_text())

    assert [command.program for command in submission.commands] == [
        "relion_refine", "rm", "relion_align_symmetry", "touch"
    ]  # fmt: skip
    assert [command.kind for command in submission.commands] == [
        "relion", "shell", "relion", "shell"
    ]  # fmt: skip
    assert submission.main is submission.commands[0]


@pytest.mark.parametrize(
    ("commands", "main"),
    [
        (["rm -f a", "`which relion_refine` --o x", "touch a"], "relion_refine"),
        (["/opt/bin/prepare a", "`which relion_refine` --o x"], "relion_refine"),
        (["echo a > b", "/opt/bin/mytool.py --o x", "touch a"], "/opt/bin/mytool.py"),
    ],
)
def test_the_first_relion_program_is_the_main_command(commands: list[str], main: str) -> None:
    assert parse(from_template(commands)).main.program == main


def test_unfilled_and_empty_fields_are_not_known() -> None:
    submission = parse(from_template(["relion_import --o x"], queue="", mpinodes="XXXmpinodesXXX"))

    assert (submission.queue, submission.ranks, submission.threads) == (None, None, 4)


def test_commands_between_the_markers_only() -> None:
    text = from_template(["`which relion_refine` --o x"]) + "relion_import --o y\n"

    assert len(parse(text).commands) == 1


def test_comments_and_blank_lines_of_the_classic_form_are_no_commands() -> None:
    text = "\nA/job001/run.out\n\nA/job001/run.err\n# a note\n\nrelion_import --o x\n\n"

    assert [command.program for command in parse(text).commands] == ["relion_import"]


def test_line_ends_of_windows_are_read() -> None:
    text = from_template(["`which relion_refine` --o x"]).replace("\n", "\r\n")

    assert parse(text).main.argv == ["relion_refine", "--o", "x"]


@pytest.mark.parametrize("separator", ["\u2028", "\u0085", "\x0b", "\x0c", "\x1c"])
def test_what_bash_takes_for_one_line_is_one_command(separator: str) -> None:
    submission = parse(from_template([f"`which relion_import` --i a{separator}rm -rf b"]))

    assert [command.program for command in submission.commands] == ["relion_import"]
    assert submission.main.argv[-2:] == ["-rf", "b"]


def test_an_empty_script_is_refused() -> None:
    assert "is empty" in refusal("")
    assert "is empty" in refusal("\n \n\t\n")


def test_a_script_cut_short_is_refused_wherever_it_was_cut() -> None:
    whole = from_template(["`which relion_refine` --o x", "touch y"]).rstrip("\n")
    start = whole.index("----- commands -----") + len("----- commands -----\n")

    for end in range(start, len(whole)):
        assert "is cut short (no line '----- end of commands -----')" in refusal(whole[:end])


def test_a_script_without_a_command_is_refused() -> None:
    for commands in ([], [""], ["rm -f a", "touch b"]):
        assert "contains no command" in refusal(from_template(commands))
    assert "contains no command" in refusal("A/job001/run.out\nA/job001/run.err\n")


@pytest.mark.parametrize(
    "text",
    ["relion_refine --o x\n", "#!/bin/bash\nrelion_refine --o x\n",
     "run.out\nrun.err\nrelion_refine --o x\n", "A/job001/run.out\nB/job001/run.err\nrelion_x\n"],
)  # fmt: skip
def test_a_script_from_another_template_is_refused(text: str) -> None:
    assert "does not name the job's run.out and run.err" in refusal(text)


# Facilities' own scripts, for each scheduler.
FACILITY = [
    "#!/bin/bash -l\n#SBATCH -J A/job001/\n#SBATCH --output=A/job001/run.out\nmodule load relion\n"
    "mpirun -n 5 `which relion_refine_mpi` --o A/job001/run\n",
    "#PBS -l nodes=1\nmodule load relion\n`which relion_refine` --o A/job001/run\n",
    "#!/bin/tcsh\n#BSUB -n 5\n`which relion_refine` --o A/job001/run\n",
    "#!/bin/sh\n#$ -cwd\n`which relion_refine` --o A/job001/run\n",
]
JOB_STAR = """data_job

_rlnJobTypeLabel  relion.refine3d

data_joboptions_values

loop_
_rlnJobOptionVariable #1
_rlnJobOptionValue #2
qsubscript {}
do_queue Yes
"""


@pytest.mark.parametrize("text", FACILITY)
def test_a_facilitys_own_job_script_is_told_from_other_texts(text: str) -> None:
    assert refusal(text).endswith(
        "is itself a job script for a scheduler, and relion-dispatch writes the job script."
    )


@pytest.mark.parametrize(
    "text", [*FACILITY, "", "relion_refine --o x\n", "A/job001/run.out\nA/job001/run.err\n", "a\0"]
)
def test_the_template_that_relion_used_is_named_with_the_one_to_choose(
    text: str, tmp_path: Path
) -> None:
    """RELION remembers the template for each project: a variable would change nothing there."""
    script = put(tmp_path, text)
    script.with_name("job.star").write_text(JOB_STAR.format("/opt/relion/old_qsub.sh"))

    with pytest.raises(InputError) as caught:
        read_submission(script, "/opt/ours/relion_template.sh")

    assert str(caught.value).endswith(
        ". RELION used /opt/relion/old_qsub.sh: choose /opt/ours/relion_template.sh in the Running "
        'tab ("Standard submission script"), and submit the job again.'
    )


def test_without_a_job_star_the_template_to_choose_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is empty\. Choose /t\.sh in the Running tab"):
        read_submission(put(tmp_path, ""), "/t.sh")


def test_our_own_template_is_not_to_be_chosen_once_more(tmp_path: Path) -> None:
    script = put(tmp_path, "")
    script.with_name("job.star").write_text(JOB_STAR.format("/t.sh"))

    with pytest.raises(InputError, match=r"RELION used /t\.sh: ask your admin to put that file"):
        read_submission(script, "/t.sh")


def test_our_template_run_as_a_job_script_says_which_command_to_choose(tmp_path: Path) -> None:
    """RELION remembers the queue command of each project as well."""
    script = put(tmp_path, from_template(["relion_import --o x"]))

    done = subprocess.run(["bash", script], cwd=tmp_path, check=False)

    assert done.returncode == 64
    assert (script.parent / "RELION_JOB_EXIT_FAILURE").exists()
    assert 'in the Running tab ("Queue submit command")' in (script.parent / "run.err").read_text()


def test_lines_that_set_up_a_shell_are_left_out() -> None:
    set_up = [
        "source /etc/profile.d/modules.sh", "module purge", "  module load relion/4.0", "ml relion",
        ". ./env.sh", "export OMP_NUM_THREADS=4", "ulimit -s unlimited", "cd $SLURM_SUBMIT_DIR",
    ]  # fmt: skip
    commands = ["`which relion_refine` --o x", "./source.sh --o x", "modules a"]
    text = "\n".join(["A/job001/run.out", "A/job001/run.err", *set_up, *commands])

    submission = parse(text)

    assert [command.text for command in submission.commands] == commands
    assert submission.left_out == tuple(line.strip() for line in set_up)
    assert "contains no command" in refusal("\n".join(text.split("\n")[:6]))


@pytest.mark.parametrize(
    "line",
    [
        "module load a; module load b;", "cd $SLURM_SUBMIT_DIR || exit 1", "cd /x || { exit 1; }",
        "source /e/env.sh && export A=1 B='x; y' && ulimit -s unlimited", "export P=$(date; pwd)",
        "export A=1; B=2; export B", "module load relion >/dev/null 2>&1 # for `which`; see && ||",
        'set -e', 'export A="a && b"', "source <(cat /e/a | tr a b)", "module load a &",
    ],
)  # fmt: skip
def test_several_set_up_commands_on_a_line_are_left_out(line: str) -> None:
    submission = parse(from_template([line, "`which relion_refine` --o x"]))

    assert (submission.left_out, len(submission.commands)) == ((line,), 1)


@pytest.mark.parametrize("beside", [[], ["`which relion_import` --o x"]])
@pytest.mark.parametrize(
    "line",
    [
        "cd /data/p && `which relion_refine_mpi` --o Refine3D/job019/run",
        "module load relion; mpirun -n 5 relion_refine_mpi --o x",
        "source /sw/env.sh && my_tool --o x", "export X=1; python3 my.py",
        "source /sw/env.sh&&my_tool", "cd /data || my_tool", "ml relion | tee log",
        "cd /data && (python3 my.py)", "cd /data; A=1 python3 my.py", "cd /data && $TOOL --o x",
        "set -e; if true; then my_tool; fi", "ulimit -s unlimited & my_tool", "ml;my_tool",
        "  . ./env.sh ;  'my tool' x", "export X=1 && { my_tool; }", "cd /d; exit; my_tool",
        "module load a && source b && my_tool", "umask 002; touch x", "unset A; exec my_tool",
    ],
)  # fmt: skip
def test_a_command_behind_a_set_up_command_is_not_dropped(line: str, beside: list[str]) -> None:
    found = refusal(from_template([line, *beside]))

    assert "the line sets up a shell and then runs a command" in found
    assert f"({line.strip()})" in found
    assert "write the command alone on a line" in found


def test_a_set_up_command_before_the_pipeliners_is_told_as_well() -> None:
    """Its run.out has no folder: the job is known from the command alone."""
    line = "source /sw/env.sh && python3 /e/job_runner.py Refine3D/job019/job.star"

    found = refusal(from_template([line], outfile="run.out", errfile="run.err"))

    assert "the line sets up a shell and then runs a command" in found


def test_a_command_that_only_begins_like_a_set_up_command_stays() -> None:
    lines = ["set_up_all --o x", "source.py; x", "cd2 a && b", "module_tool | x", "./cd x; y"]

    assert [each.text for each in parse(from_template(lines)).commands] == lines


def test_an_unbalanced_quote_is_named_with_its_line() -> None:
    text = from_template(["`which relion_refine` --o x", '`which relion_import` --i "a'])
    number = text.splitlines().index('`which relion_import` --i "a') + 1

    found = refusal(text)

    assert f'run_submit.script, line {number}: a " is not closed' in found
    assert "correct the parameter in RELION's window" in found


def test_the_project_is_found_above_the_job(tmp_path: Path) -> None:
    script = put(tmp_path / "project", from_template(["relion_import --o x"]))

    submission, project = read_submission(script)

    assert submission.job == "Refine3D/job019"
    assert project == tmp_path / "project"


def test_the_path_that_relion_gives_is_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, from_template(["relion_import --o x"]))
    monkeypatch.chdir(tmp_path)

    assert read_submission(Path("Refine3D/job019/run_submit.script"))[1] == tmp_path


@pytest.mark.parametrize("job", ["Refine3D/job020", "Class3D/job019", "."])
def test_a_script_outside_its_job_folder_is_refused(job: str, tmp_path: Path) -> None:
    script = put(tmp_path / "project", from_template(["relion_import --o x"]), job)

    with pytest.raises(InputError, match=r"belongs to the job Refine3D/job019, but is not in that"):
        read_submission(script)


@pytest.mark.parametrize(
    "content", [b"\x7fELF\x02\x01\x01\x00", b"a\0b", "A/job001/run.out\n".encode("utf-16")]
)
def test_a_binary_file_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a text file"):
        read_submission(put(tmp_path, content))


def test_names_of_files_may_have_bytes_that_are_no_utf_8(tmp_path: Path) -> None:
    text = from_template(["relion_refine --i caf\udce9.star --o Refine3D/job019/run"])

    submission, _ = read_submission(put(tmp_path, text.encode(errors="surrogateescape")))

    assert submission.main.value("i") == "caf\udce9.star"


def test_a_missing_script_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.script cannot be read \(No such file"):
        read_submission(tmp_path / "none.script")
    with pytest.raises(InputError, match="cannot be read"):
        read_submission(tmp_path)

"""A stranger's record and inputs are text: nothing of them runs, and what is unusual is asked."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from ...kept_project import lay_out
from .strangers import JOB, Stranger, at, changed, read_of


@pytest.fixture
def stranger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Stranger:
    project = lay_out(tmp_path)
    monkeypatch.chdir(project)
    return Stranger(project, capfd)


def test_an_honest_record_asks_nothing(stranger: Stranger) -> None:
    text, said = stranger.reproduce()

    assert text, said
    (argv,) = stranger.starts(text)
    assert argv[0] == b"apptainer"
    assert b"relion_refine_mpi" in argv
    assert "the results are in" in stranger.said


def test_no_text_of_a_record_runs_whatever_field_it_is_in(stranger: Stranger) -> None:
    """And none after the user has accepted all."""
    touch = f"touch {stranger.canary}"
    everything = f"{touch}\nEND_OF_NAMES\n{touch}\n;{touch}|{touch}&{touch}#}}"
    texts = [
        f"x'\"`{touch}`$({touch})\n{everything}",
        f"${{x:-$({touch})}}",
        f"a[$({touch})]",
        str(stranger.evil),
        "--\udcff\u202e\x1b]0;x\x07",
    ]
    tried = 0
    for place in read_of(stranger.honest, only_leaves=True):
        own = at(stranger.honest, place)
        for value in (texts[0], *(f"{own}{text}" for text in texts)):
            stranger.file.write_text(json.dumps(changed(stranger.honest, place, value)))
            stranger.attack(accept=True)
            tried += 1
    assert tried > 150


def test_no_odd_value_of_a_record_ends_in_a_traceback(stranger: Stranger) -> None:
    values: list[Any] = [None, True, -1, 10**30, 1e300, "", "\0\ud800", [], {}]
    for place in read_of(stranger.honest):
        for value in values:
            stranger.file.write_text(json.dumps(changed(stranger.honest, place, value)))
            stranger.reproduce()


@pytest.mark.parametrize(
    "name",
    [
        "END_OF_NAMES",
        "$(touch {canary})",
        "`touch {canary}`",
        "';touch${IFS}{canary};'",
        "-e",
        "--",
        "\\",
        "\udcff$(touch${IFS}{canary})",
    ],
)
def test_no_name_in_a_star_file_runs(stranger: Stranger, name: str) -> None:
    name = name.replace("{canary}", str(stranger.canary)).replace("touch /", "touch${IFS}/")
    particles = stranger.project / "Select/job007/particles.star"
    text = particles.read_text()
    lines = [f"1@{each} 1" for each in (name, "touch", f"touch${{IFS}}{stranger.canary}")]
    raw = "\n".join([text.rstrip(), *lines, ""]).encode(errors="surrogateescape")
    particles.write_bytes(raw)

    _, said = stranger.reproduce("--accept-changed", "*")
    assert "note: The input Select/job007/particles.star has changed" in said
    for each in (name, "touch", f"touch${{IFS}}{stranger.canary}"):
        file = stranger.project / each
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        os.utime(file, (1, 1))

    text_of_script, said = stranger.reproduce("--accept-changed", "Select/*")

    assert text_of_script, said
    assert stranger.starts(text_of_script)
    assert "the results are in" in stranger.said


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


@pytest.mark.parametrize("place", ["/usr/local/bin", "/opt/relion", "/", "HOME", "above HOME"])
def test_a_moved_project_must_not_take_the_place_of_programs_or_of_the_home(
    stranger: Stranger, place: str
) -> None:
    place = {"HOME": str(Path.home()), "above HOME": str(Path.home().parent)}.get(place, place)
    stranger.was_in(place)

    assert f"--accept-bind {place}`" in stranger.refused()
    assert stranger.reproduce("--accept-bind", place)[0]


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


def test_the_users_home_is_read_only_where_a_site_binds_it(stranger: Stranger) -> None:
    """Apptainer takes the first of two folders for one place."""
    home = pwd.getpwuid(os.getuid()).pw_dir
    config = stranger.top / "site/site.json"
    content = json.loads(config.read_text())
    content["apptainer"]["bind"] = [home + "/"]
    config.write_text(json.dumps(content))
    (own,) = stranger.honest["commands"]
    option = f"--mount=type=bind,source={home}/,destination={home}/"
    stranger.command(own["shell"], stranger.prefix(option))
    stranger.honest["commands"][0]["prefix"] = [
        word for word in stranger.prefix(option) if "/scratch" not in word
    ]
    stranger.record()

    text, said = stranger.reproduce()

    assert text, said
    (argv,) = stranger.starts(text)
    seen = [word.decode() for word in argv if f'"destination={home}"'.encode() in word]
    assert seen == [f'--mount=type=bind,"source={home}","destination={home}",ro']


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
@pytest.mark.parametrize(
    "name",
    [
        b"\xff\xfe",
        "é\u202e".encode(),
        b"a\nb\n",
        b"-rf",
        b"$(touch canary)`touch canary`",
        b'it\'s "quoted", \\n: x;y',
        b"\r\x1b[2Jx",
    ],
)
def test_a_project_has_any_path(
    stranger: Stranger, name: bytes, locale: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger.canary = stranger.programs / "canary"  # where the script is started
    folder = stranger.project.with_name(os.fsdecode(name))
    now = str(folder)
    stranger.project.rename(folder)
    stranger.project, stranger.file = folder, folder / JOB / "dispatch.json"
    monkeypatch.chdir(folder)
    stranger.was_in(now)

    text, said = stranger.reproduce()

    assert text, ascii(said)
    (argv,) = stranger.starts(text, locale)
    path = os.fsencode(now).replace(b'"', b'""')
    assert b'--mount=type=bind,"source=%s","destination=%s",ro' % (path, path) in argv
    assert b"--pwd=" + os.fsencode(now) in argv
    assert "the results are in" in stranger.said


def test_the_script_is_written_through_no_link_and_over_no_file(stranger: Stranger) -> None:
    precious = stranger.top / "precious"
    precious.write_text("mine")
    link, gone = stranger.top / "link.sh", stranger.top / "gone.sh"
    link.symlink_to(precious)
    gone.symlink_to(stranger.top / "nowhere")

    for path in (precious, link, gone, stranger.top):
        assert "already exists" in stranger.refused("--write", str(path))

    assert precious.read_text() == "mine"
    assert not (stranger.top / "nowhere").exists()
    assert "cannot be written" in stranger.refused("--write", str(stranger.top / "no/x.sh"))


@pytest.mark.parametrize("link", ["Reproduced", "Reproduced/Class3D", "Reproduced/Class3D/job010"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("named", [False, True])
def test_no_link_of_the_project_leads_the_results_elsewhere(
    stranger: Stranger, link: str, when: str, named: bool
) -> None:
    """Unless the user names the place to which it leads."""
    elsewhere = stranger.top / "home/.config"
    elsewhere.mkdir(parents=True)
    output = ["--output", f"{stranger.project}/Reproduced/{JOB}"] if named else []
    (stranger.project / link).parent.mkdir(parents=True, exist_ok=True)
    if when == "before":
        (stranger.project / link).symlink_to(elsewhere)
        assert f"a link leads from there to {elsewhere}" in stranger.refused(*output)
        place = f"{elsewhere}{f'{os.sep}{JOB}'.removeprefix(link.removeprefix('Reproduced'))}"
        text, said = stranger.reproduce("--output", place)
        assert text, said
        assert stranger.starts(text)
        assert list(elsewhere.rglob("run.out"))
        return
    text, said = stranger.reproduce(*output)
    assert text, said
    (stranger.project / link).symlink_to(elsewhere)

    assert not stranger.starts(text)

    assert "a link leads from" in stranger.said
    assert not list(elsewhere.iterdir())


def test_links_within_the_project_and_a_linked_project_are_no_other_place(
    stranger: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stranger.project / "disk").mkdir()
    (stranger.project / "Reproduced").symlink_to("disk")
    linked = stranger.top / "linked"
    linked.symlink_to(stranger.project)
    monkeypatch.chdir(linked)

    text, said = stranger.reproduce()

    assert text, said
    assert stranger.starts(text)
    assert (stranger.project / "disk" / JOB / "run.out").exists()


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


@pytest.mark.parametrize("was", ["//usr/local", "//root", "/usr/", "///opt"])
def test_a_projects_path_has_one_form(stranger: Stranger, was: str) -> None:
    stranger.was_in(was)

    said = stranger.refused()

    assert "is not the path of a project" in said or "--accept-bind" in said


@pytest.mark.parametrize(
    ("shell", "value"),
    [
        ("relion_x --args 'a'\"${IFS}touch CANARY\"", None),
        ('relion_x --args "x$_"', None),
        ('relion_x --args "x$BASH_COMMAND"', None),
        ('relion_x --args "x${dispatch_new}"', None),
        ('relion_x --args "$VALUE"', ""),
        ('relion_x --args "$VALUE"', "--other"),
        ('relion_x --args "$VALUE"', "a;b"),
        ('relion_x --args "$VALUE"', "a`b"),
        ('relion_x --args "$VALUE"', "a\nb"),
        ('relion_x --args "$VALUE"', "a\\b"),
        ('relion_x --args "$VALUE"', "a(b"),
        ('relion_x --args "$VALUE"', "it's"),
    ],
)
def test_a_variable_brings_no_code_and_takes_no_word_away(
    stranger: Stranger, shell: str, value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The script looks at the values, also at those that bash or the script itself gives."""
    stranger.command(shell.replace("CANARY", str(stranger.canary)))
    text, said = stranger.reproduce()
    assert text, said

    started = stranger.starts(text, **({} if value is None else {"VALUE": value}))

    for argv in started:  # `$_` and the like may be plain
        assert value is None
        assert not any(set(word[1:]) & set(b"$`;|&<>()'\n") for word in argv[-1:])
    if value is not None:
        assert "has signs on which a shell acts" in stranger.said


def test_a_variable_with_a_plain_value_is_given(stranger: Stranger) -> None:
    stranger.command('relion_x --scratch_dir /s/$SLURM_JOB_ID --x=$VALUE "$VALUE"')
    text, said = stranger.reproduce()
    assert text, said

    (argv,) = stranger.starts(text, VALUE="/a/é +1", SLURM_JOB_ID="17")

    assert argv[-1] == "/a/é +1".encode()
    assert b"/s/17" in argv


@pytest.mark.parametrize("changes", [{"nproc": 1_000_000}, {"nodes": 0}, {"nodes": 10**5}])
def test_more_or_fewer_ranks_than_any_job_has_are_damage(
    stranger: Stranger, changes: dict[str, int]
) -> None:
    stranger.record(**changes)

    assert "is not a record of relion-dispatch" in stranger.refused()


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_what_the_script_says_acts_on_no_terminal(stranger: Stranger, locale: str) -> None:
    text, said = stranger.reproduce()
    assert text, said

    signs = r"say $'\xe2\x80\xae\xe2\x81\xa6\xd8\x9c\x9b31m\x1b[2J\xc3\xa9'"
    stranger.starts(text.replace('say "checking the inputs"', signs), locale)

    assert "?31m?[2J" in stranger.said
    assert ("é" in stranger.said) == (locale != "C")
    assert not set(stranger.said) & set("\u202e\u2066\u061c\x9b\udc9b\x1b")


def test_a_folder_that_the_sites_own_options_bind_is_not_asked_for(stranger: Stranger) -> None:
    option = "--mount=type=bind,source=/opt,destination=/opt,ro"
    config = stranger.top / "site/site.json"
    content = json.loads(config.read_text())
    content.setdefault("apptainer", {})["options"] = [option]
    config.write_text(json.dumps(content))
    (own,) = stranger.honest["commands"]
    stranger.command(own["shell"], stranger.prefix(option))

    assert stranger.reproduce()[0]


def test_an_input_is_accepted_by_the_name_that_the_refusal_gives(stranger: Stranger) -> None:
    """Also if the name is a pattern that does not match itself."""
    particles = stranger.project / "Select/job007/particles.star"
    odd = particles.with_name("p[1].star")
    particles.rename(odd)
    record = json.dumps(stranger.honest).replace("particles.star", odd.name)
    stranger.honest = json.loads(record)
    stranger.record()
    with odd.open("a") as stream:
        stream.write("\n")

    assert "--accept-changed 'Select/job007/p[1].star'" in stranger.refused()

    assert stranger.reproduce("--accept-changed", "Select/job007/p[1].star")[0]

"""What is prepared before the commands: the environment, the image, the scratch folder."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.host.shell_words import split
from dispatcher.images.container import mount_option

from ..sif_file import write_sif
from .conftest import TOKEN, Shell

MOUNTS = "printf '%s\\n' \"${dispatch_scratch_mounts[@]}\""
EXPORTED = "export -p | grep -oE '(APPTAINERENV_|PYTHONNOUSERSITE).*'"


def test_the_container_gets_the_variables_that_the_site_lets_through(shell: Shell) -> None:
    said = shell.says(
        f"clean_environment; {EXPORTED}",
        given=["dispatch_image=x.sif", "dispatch_environment=(SET EMPTY UNSET)"],
        SET="a b",
        EMPTY="",
    )

    assert said.splitlines() == [
        'APPTAINERENV_EMPTY=""',
        'APPTAINERENV_PYTHONNOUSERSITE="1"',
        'APPTAINERENV_SET="a b"',
    ]


def test_over_several_nodes_the_launcher_makes_the_environment(shell: Shell) -> None:
    said = shell.says(
        f"clean_environment; {EXPORTED}",
        given=["dispatch_image=x.sif", "dispatch_nodes=2", "dispatch_environment=(SET)"],
        SET="a",
    )

    assert said.splitlines() == [
        'APPTAINERENV_PYTHONNOUSERSITE="1"',
        'APPTAINERENV_SET="a"',
        'PYTHONNOUSERSITE="1"',
    ]


@pytest.mark.parametrize("nodes", [1, 2])
def test_what_the_users_environment_would_add_to_a_container_is_forgotten(
    nodes: int, shell: Shell
) -> None:
    user = {
        "APPTAINER_BINDPATH": "/apps/other",
        "SINGULARITY_BIND": "/apps/other",
        "APPTAINER_CONTAIN": "1",
        "APPTAINERENV_LD_PRELOAD": "x.so",
        "SINGULARITYENV_PATH": "/x",
        "LD_PRELOAD": "libdlfaker.so",
        "LD_AUDIT": "libaudit.so",
        "APPTAINER_TMPDIR": "/scratch",
        "APPTAINER_NO_HOME": "1",
        "OTHER_APPTAINER_X": "stays",
    }

    said = shell.says(
        "clean_environment; export -p | grep -oE ' [A-Z_]*(APPTAINER|SINGULARITY|LD_)[A-Z_]*'",
        given=[
            "dispatch_image=x.sif",
            f"dispatch_nodes={nodes}",
            "dispatch_for_apptainer=APPTAINER_NO_HOME",
        ],
        **user,
    )

    assert said.split() == [
        *("APPTAINERENV_PYTHONNOUSERSITE", "APPTAINER_NO_HOME", "APPTAINER_TMPDIR"),
        "OTHER_APPTAINER_X",
    ]


def test_a_script_that_does_not_know_what_the_site_lists_leaves_apptainers_variables(
    shell: Shell,
) -> None:
    """As that of a site's own base.sh.j2 of 0.1.0, which has no such setting."""
    said = shell.says(
        "clean_environment; export -p | grep -oE ' (APPTAINER|SINGULARITY)_[A-Z]*'",
        given=["dispatch_image=x.sif"],
        APPTAINER_TMPDIR="/large",
        APPTAINER_BINDPATH="/data",
        SINGULARITY_CACHEDIR="/large",
    )

    assert said.split() == ["APPTAINER_BINDPATH", "APPTAINER_TMPDIR", "SINGULARITY_CACHEDIR"]


def test_a_library_that_the_site_lets_through_is_preloaded_in_the_container_alone(
    shell: Shell,
) -> None:
    said = shell.says(
        "clean_environment; export -p | grep -oE '[A-Z_]*LD_PRELOAD.*'",
        given=["dispatch_image=x.sif", "dispatch_environment=(LD_PRELOAD)"],
        LD_PRELOAD="libdlfaker.so",
    )

    assert said == 'APPTAINERENV_LD_PRELOAD="libdlfaker.so"'


def test_a_job_on_the_host_keeps_its_environment(shell: Shell) -> None:
    assert shell.says(f"clean_environment; {EXPORTED}", given=["dispatch_environment=(HOME)"]) == ""


def test_the_display_is_let_through_if_there_is_one(shell: Shell) -> None:
    code = f"let_display_through; {EXPORTED}"

    assert shell.says(code) == ""
    assert shell.says(code, DISPLAY=":1", XAUTHORITY="/x").splitlines() == [
        'APPTAINERENV_DISPLAY=":1"',
        'APPTAINERENV_XAUTHORITY="/x"',
    ]


# Nodes


def test_a_function_runs_once_on_the_only_node(shell: Shell) -> None:
    """In a shell of its own: what it sets is not seen outside."""
    function = 'f() { x=1; echo "$@"; return 3; }'

    assert shell.says(f'{function}; on_each_node f "a b" c; echo "$? <$x>"').splitlines() == [
        "a b c",
        "3 <>",
    ]


def test_a_function_runs_once_on_each_of_several_nodes(shell: Shell) -> None:
    shell.stand_in("srun")
    code = 'f() { echo "$NODE: $1, $(process_began $$ | grep -c .)"; [ "$NODE" != 2 ]; }\n'

    done = shell(code + 'on_each_node f "a b"', scheduler="slurm", given=["dispatch_nodes=2"])

    assert sorted(done.stdout.splitlines()) == ["1: a b, 1", "2: a b, 1"]
    assert done.returncode == 1


def test_a_node_gets_the_library_without_what_it_does_not_need(shell: Shell) -> None:
    """A variable of the environment holds 128 kB at most, and a site may know many endings."""
    words = 'printf -v words "%0200000d" 1; eval "known_endings() { : $words; }"'

    said = shell.says(f"{words}; commands() {{ :; }}; functions_for_a_node")

    assert "keep_gpus ()" in said and "process_began ()" in said
    assert not re.search(r"^(known_endings|commands) \(\)", said, re.MULTILINE)
    assert len(said) < 100_000


def test_when_a_process_began_tells_it_from_another(shell: Shell) -> None:
    began = Path("/proc/self/stat").read_text().rpartition(") ")[2].split()[19]

    assert shell.says(f"process_began {os.getpid()}") == began
    assert shell.says("sleep 0 & wait $!; process_began $!") == ""
    # A zombie: nobody collects the child of a process that has become another program.
    zombie = "sleep 0.5 & exec sleep 77"
    said = shell.says(
        f"bash -c '{zombie}' >child &\n"
        "until ps -o stat= --ppid $! | grep -q Z; do sleep 0.05; done\n"
        'process_began "$(pgrep -P $! sleep)"; kill $!'
    )
    assert said == ""


@pytest.mark.parametrize(
    ("given", "steps"),
    [
        ([], []),
        (["dispatch_image=x.sif"], ["image"]),
        (["dispatch_uses_scratch=yes"], ["scratch"]),
        (["dispatch_image=x.sif", "dispatch_uses_scratch=yes"], ["image", "scratch"]),
    ],
)
def test_what_a_job_has_is_prepared(given: list[str], steps: list[str], shell: Shell) -> None:
    code = "look_at_images() { echo image; }; prepare_scratch() { echo scratch; }; prepare_nodes"

    assert shell.says(code, given=given).split() == steps


# The image


def image(folder: Path) -> tuple[Path, str]:
    """An image's file, and its size and SIF id as the plan has them."""
    path = folder / "x.sif"
    write_sif(path)
    return path, f"{path.stat().st_size} {path.read_bytes()[48:64].hex()}"


def test_the_image_that_was_chosen_passes(shell: Shell, tmp_path: Path) -> None:
    path, state = image(tmp_path)

    done = shell(f"look_at_image '{path}' '{state}'")

    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path: path.unlink(), "does not exist on"),
        (lambda path: path.write_bytes(path.read_bytes() + b"x"), "not the file that was chosen"),
    ],
)
def test_another_image_ends_the_job_with_one_sentence(
    spoil: Callable[[Path], None], says: str, shell: Shell, tmp_path: Path
) -> None:
    shell.stand_in("srun")
    path, state = image(tmp_path)
    spoil(path)

    done = shell(
        "trap 'echo \"$dispatch_reason\"' EXIT; look_at_images",
        scheduler="slurm",
        given=[f"dispatch_image='{path}'", f"dispatch_image_state='{state}'", "dispatch_nodes=2"],
    )

    assert done.returncode == 1
    assert says in done.stdout
    assert done.stdout.count("\n") == 1  # though two nodes have said it


# Scratch


def test_a_job_has_a_scratch_folder_of_its_own(shell: Shell, tmp_path: Path) -> None:
    scratch = f"dispatch_scratch_for_all='{tmp_path}/scratch'"
    code = "dispatch_script_began=5; words_of_job() { echo 17 cluster; }; prepare_scratch; echo $$"

    process = shell.says(code, given=[scratch])

    folder = tmp_path / "scratch" / f"relion-dispatch.{TOKEN}"
    assert (folder / "owner").read_text() == f"here {process} 5 17 cluster\n"
    assert folder.stat().st_mode & 0o077 == 0
    shell(f"remove_scratch '{folder}'")
    assert list(folder.parent.iterdir()) == []


def test_the_container_sees_the_jobs_scratch_folder(shell: Shell, tmp_path: Path) -> None:
    done = shell(
        f"dispatch_script_began=5; prepare_nodes; {MOUNTS}",
        given=["dispatch_uses_scratch=yes", f"dispatch_scratch_for_all='{tmp_path}/a, b'"],
    )

    folder = f"{tmp_path}/a, b/relion-dispatch.{TOKEN}"
    assert done.stdout == mount_option(folder) + "\n"


@pytest.mark.parametrize("nodes", [1, 2])
@pytest.mark.parametrize("name", ["project/link", "project/link/", "project/link//deeper", "rel"])
def test_the_container_sees_scratch_where_a_link_leads_as_well(
    name: str, nodes: int, shell: Shell, tmp_path: Path
) -> None:
    """A mount at a path that leads through a link is left out if the container sees the link, but
    not where it leads."""
    shell.stand_in("srun")
    disk, own = tmp_path / "a disk", name if name == "rel" else f"{tmp_path}/{name}"
    (disk / "deeper").mkdir(parents=True)
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "link").symlink_to(disk)
    (shell.project / "rel").symlink_to(disk)

    said = shell.says(
        f"prepare_users_scratch; {MOUNTS}",
        scheduler="slurm",
        given=[f"dispatch_users_scratch='{own}'", f"dispatch_nodes={nodes}"],
    )

    real = disk / "deeper" if name.endswith("deeper") else disk
    full = str(tmp_path / "rel") if name == "rel" else own
    assert said.splitlines() == [mount_option(full), mount_option(str(real))]


def test_scratch_that_is_elsewhere_on_each_node_is_bound_at_its_own_path_alone(
    shell: Shell, tmp_path: Path
) -> None:
    """Apptainer does not start where a folder is missing."""
    shell.stand_in("srun")

    realpath = 'realpath() { [ "$1" = -ms ] && echo /s || echo "/disk of $NODE"; }'

    said = shell.says(
        f"{realpath}; see_scratch /s; {MOUNTS}",
        scheduler="slurm",
        given=["dispatch_nodes=2"],
    )

    assert said == mount_option("/s")


@pytest.mark.parametrize("own", ["/dev/shm/x", "/dev//shm/x", "/dev/shm/../shm/x"])
def test_nothing_is_bound_below_dev(own: str, shell: Shell) -> None:
    """With --contain, Apptainer does not start with a folder in the container's own /dev."""
    said = shell.says(f'see_scratch {own}; echo "${{#dispatch_scratch_mounts[@]}}"')

    assert said == "0"
    assert shell.says(f"mount_options {own}") == ""


def test_a_link_to_dev_is_bound_at_its_own_path_alone(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/shm")

    said = shell.says(f"see_scratch {tmp_path}/link; {MOUNTS}")

    assert said == mount_option(f"{tmp_path}/link")


def test_scratch_is_bound_if_the_nodes_do_not_answer(shell: Shell) -> None:
    said = shell.says(f"on_each_node() {{ return 1; }}; see_scratch /s; {MOUNTS}")

    assert said == mount_option("/s")


def test_a_scratch_folder_of_the_users_is_made_bound_and_left(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "scratch" / "kept"

    done = shell(
        f"prepare_nodes; {MOUNTS}; dispatch_uses_scratch=; finish",
        given=[f"dispatch_users_scratch='{folder}'"],
    )

    assert done.stdout.splitlines()[0] == mount_option(str(folder))
    assert list(folder.iterdir()) == []


def test_a_scratch_folder_of_the_users_that_cannot_be_made_is_told(shell: Shell) -> None:
    done = shell(
        "trap 'echo \"$dispatch_reason\"' EXIT; prepare_users_scratch",
        given=["dispatch_users_scratch=/dev/null/x"],
    )

    assert done.returncode == 1
    assert "the scratch folder /dev/null/x on here cannot be made" in done.stdout


@pytest.mark.parametrize(
    ("folder", "value", "is_"),
    [
        ("$SLURM_TMPDIR/relion", {}, "not set"),
        ("$SLURM_TMPDIR/relion", {"SLURM_TMPDIR": ""}, "empty"),
        ("$SLURM_TMPDIR", {"SLURM_TMPDIR": ""}, "empty"),
        ("/s/$SLURM_TMPDIR", {}, "not set"),
        ("$TOP$SLURM_TMPDIR/relion", {"TOP": "", "SLURM_TMPDIR": ""}, "empty"),
        ("$TOP$SLURM_TMPDIR/relion", {"TOP": "", "SLURM_TMPDIR": "/s"}, None),
        ("/s$SLURM_TMPDIR/relion", {"SLURM_TMPDIR": ""}, None),
        ("/s$SLURM_TMPDIR", {"SLURM_TMPDIR": ""}, None),
    ],
)
def test_a_variable_without_value_is_named_if_nobody_knows_the_scratch_folder(
    folder: str, value: dict[str, str], is_: str | None, shell: Shell
) -> None:
    """A part of the name that is empty is as the site, or the user, has it."""
    (word,) = split(folder)

    done = shell(
        'trap \'echo "$dispatch_reason"\' EXIT; name_unset_variables; echo "=$dispatch_scratch"',
        given=[
            f"dispatch_uses_scratch=yes dispatch_scratch_for_all={word.shell()}",
            f"dispatch_scratch_variables=({' '.join(word.variables)})",
            f"dispatch_scratch_begins=({' '.join(word.leading)})",
        ],
        **value,
    )

    if is_:
        assert done.returncode == 1
        assert f"because SLURM_TMPDIR is {is_} on here, and the scratch folder" in done.stdout
    else:
        assert re.match(r"=/s(/relion)?/relion-dispatch\.", done.stdout)


def test_a_variable_of_the_scratch_folder_is_refused_with_what_is_wrong(shell: Shell) -> None:
    done = shell("trap 'echo \"$dispatch_reason\"' EXIT; refuse_scratch_variable TMPDIR not set")

    assert done.returncode == 1
    assert "because TMPDIR is not set on here" in done.stdout


def test_other_variables_that_are_not_set_are_named_and_the_job_goes_on(shell: Shell) -> None:
    done = shell(
        "name_unset_variables",
        given=["dispatch_variables=(DATA EMPTY UNSET HOSTNAME)"],
        DATA="/data",
        EMPTY="",
    )

    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    assert line.startswith("relion-dispatch: UNSET is not set on here,")


def test_a_scratch_folder_is_made_with_its_owner(shell: Shell, tmp_path: Path) -> None:
    shell(f"make_scratch '{tmp_path}/a/b' me")

    assert (tmp_path / "a" / "b" / "owner").read_text() == "me\n"


def test_no_scratch_folder_ends_the_job(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "scratch").write_text("a file")

    done = shell(
        "trap 'echo \"$dispatch_reason\"' EXIT; dispatch_script_began=5; prepare_scratch",
        given=[f"dispatch_scratch_for_all='{tmp_path}/scratch'"],
    )

    assert done.returncode == 1
    assert re.search(r"the scratch folder .*/scratch on here cannot be written", done.stdout)


@pytest.mark.parametrize(
    ("owner", "gone"),
    [
        ("HOST PID BEGAN", False),
        ("HOST PID 1", True),
        ("HOST PID 1 17 cluster", "asked"),
        ("HOST PID BEGAN 17 cluster", False),
        ("another-host 1 1", False),
        ("another-host 1 1 17 cluster", "asked"),
        ("", False),
    ],
)
@pytest.mark.parametrize("may_live", [True, False])
def test_scratch_folders_of_dead_jobs_go(
    owner: str, gone: bool | str, may_live: bool, shell: Shell, tmp_path: Path
) -> None:
    began = Path("/proc/self/stat").read_text().rpartition(") ")[2].split()[19]
    values = {"HOST": os.uname().nodename, "PID": str(os.getpid()), "BEGAN": began}
    folder = tmp_path / "scratch" / "relion-dispatch.ffffffffffff"
    folder.mkdir(parents=True)
    (folder / "owner").write_text(
        " ".join(values.get(word, word) for word in owner.split()) + "\n" if owner else ""
    )
    (folder.parent / "data").mkdir()

    done = shell(
        f'may_have_job() {{ echo "$@" >"$HOME/asked"; return {0 if may_live else 1}; }}\n'
        f"remove_dead_scratch '{folder.parent}'"
    )

    assert done.returncode == 0
    assert folder.exists() == (may_live if gone == "asked" else not gone)
    assert (folder.parent / "data").exists()
    if gone == "asked":
        assert (tmp_path / "asked").read_text() == "17 cluster\n"


def test_a_scratch_folder_that_is_not_there_has_nothing_to_clean(shell: Shell) -> None:
    assert shell("remove_dead_scratch /nowhere").returncode == 0


def test_the_container_is_known_as_the_nodes_have_settled_it(shell: Shell) -> None:
    code = (
        "dispatch_know_container() { dispatch_container=(apptainer $settled --mount=/gone x); }; "
    )
    code += "settled=here dispatch_left_out=(--mount=/gone); "
    known = 'know_container; echo "${dispatch_container[*]-none}"'

    assert shell.says(f"{code} {known}") == "apptainer here x"
    assert shell.says(known) == "none"

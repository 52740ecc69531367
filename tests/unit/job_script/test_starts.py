"""Behind which launcher a script starts a program."""

from __future__ import annotations

import pytest

from dispatcher.job_script.shell_calls import ShellScript
from dispatcher.job_script.starts import launcher_names, starts

PROGRAM = "relion_refine_mpi"
# OURS is a command line of ours, BARE the program and its arguments alone.
LINES = {"OURS": f"mpirun --ours -n 5 {PROGRAM} --o x/run", "BARE": f"{PROGRAM} --o x/run"}
LAUNCHERS = launcher_names([["env", "A=1", "/opt/start", "--ranks"], ["srun"], []])

BEFORE_OURS = [
    "mpirun -n 5 OURS",
    "/opt/bin/mpiexec.hydra OURS",
    "/opt/start --ranks 5 OURS",
    "run nice -n 5 srun --exact OURS",
    "if ! time -p srun OURS; then exit 1; fi",
    "numactl --interleave=all mpirun -n 5 OURS",
    "$MPI_HOME/bin/mpirun -n 5 OURS",
    "$(which mpirun) -n 5 OURS",
    "`command -v mpirun` -n 5 OURS",
    "${LAUNCH:-mpirun} OURS",
    ": ${LAUNCH:=mpirun}\n$LAUNCH OURS",
    "[ -x /usr/bin/mpirun ] && L=mpirun\n$L OURS",
    "if a; then L=srun; else L=; fi\n$L OURS",
    "case $x in a) L= ;; *) L=srun ;; esac\n$L OURS",
    "for L in srun mpirun; do $L OURS && break; done",
    'M=/opt/bin/mpirun; L="$M -n 5"\nrun $L OURS',
    'M=/opt/bin/mpirun; L=($M -n); L+=(5)\nrun "${L[@]}" OURS',
    "L=$(command -v srun || command -v mpirun); $L OURS",
    "export L=mpirun\n$L OURS",
    'set -- mpirun -n 5; "$@" OURS',
    'launch() { mpirun -n 5 "$@"; }\nlaunch OURS',
    'function launch {\n  mpirun -n 5 "$@"\n}\nrun launch OURS',
    'launch()\n(\n  mpirun -n ${N:-5} "${@}"\n)\nlaunch OURS',
    'launch() { local n=${1}; shift; mpirun -n ${n} "$@"; }\nlaunch 5 OURS',
    'a() { if x; then mpirun "$@"; fi; }; b() { a "$@"; }; b OURS',
    'go() { $1 OURS; }; go "mpirun -n 5"',
    'run() { srun "$@"; }; run OURS',
    'echo "mpirun OURS"; srun OURS',
    "cd x && (srun OURS) | tee log",
]
NOT_BEFORE_OURS = [
    "run OURS || exit 1",
    "run env X=1 time OURS",
    "/opt/wrapper OURS",
    "$L OURS",
    "L= OURS",
    "srun -n 1 OURS",
    "srun -n1 --exclusive OURS",
    "srun --ntasks=1 OURS",
    "srun --nodes=1 --ntasks-per-node=1 OURS",
    "/opt/bin/mpirun -np 1 OURS",
    "N=1; mpirun -n $N OURS",
    'one() { srun -n 1 "$@"; }; one OURS',
    'say() { echo "mpirun gets $*"; "$@"; }\nsay OURS',
    'say() { what=$1; shift; echo $what; "$@"; }\nsay mpirun OURS',
    "log=/var/log/mpirun\n/opt/wrapper --log $log OURS",
    "log=/var/log/mpirun\n>$log run OURS 2> >(grep mpirun)",
    "module load mpirun # mpirun\nOURS",
    "which mpirun && OURS",
    "echo mpirun OURS; OURS",
    'cmd="OURS"; echo "$cmd"; eval "$cmd"',
    "/opt/wrapper BARE --version; OURS",
]
BY_ANOTHER = [
    "mpirun -n 5 BARE",
    "mpirun -n 1 BARE : -n 4 BARE",
    "srun BARE",
    f"P=/path/{PROGRAM}; mpirun -n 5 $P --o x",
    "P=relion_refine; mpirun -n 5 ${P}_mpi --o x",
    "mpirun -n 5 \\\n  --bind-to none \\\n  BARE",
    "apptainer exec x.sif mpirun -n 5 BARE",
    "mpirun -n 5 apptainer exec x.sif BARE",
    "bash -c 'mpirun -n 5 BARE'",
    'mpirun -n 5 bash -c "exec BARE"',
    "text='srun BARE'; $text",
    "out=$(srun BARE)",
    f"[[ $p == {PROGRAM} && x ]] && srun BARE",
    f"case x in {PROGRAM}|b) srun BARE ;; esac",
]
ALONE = [
    "BARE",
    "run BARE || exit 1",
    "mpirun -n 1 BARE",
    "srun -n 1 BARE",
    "which mpirun; BARE # mpirun",
    "echo mpirun; log=mpirun; BARE",
    f"$(which {PROGRAM}) --o x",
    f"`which {PROGRAM}` --o x",
    f"P=/path/{PROGRAM}; $P --o x",
    "export A=1; B=2 apptainer exec --nv x.sif BARE",
    "if ! time env A=1 nice -n 5 timeout 1h BARE; then exit 1; fi",
    "cd x && { BARE; } 2>&1 | tee log",
    "BARE > >(tee log)",
    'eval "BARE"',
    "reasons() {\ncat <<'END_OF_REASONS'\nBARE\nEND_OF_REASONS\n}\nBARE",
    f"fail 'mpirun did not start {PROGRAM}'; BARE",
]
NOBODY_KNOWS = [
    "/opt/wrapper BARE",
    f"P=/path/{PROGRAM}; /opt/wrapper $P --o x",
    f"/opt/wrapper '{PROGRAM} --o x'",
    "run /opt/wrapper BARE",
    "apptainer exec x.sif /opt/wrapper BARE",
    "srun -n 1 /opt/wrapper BARE",
    "$LAUNCH BARE",
    "cat > ranks.sh <<END\nexec BARE\nEND\nmpirun -n 5 bash ranks.sh",
]


def found(script: str, ours: str = "mpirun --ours -n 5", program: str = PROGRAM) -> set[str]:
    for name, line in LINES.items():
        script = script.replace(name, line)
    reading = ShellScript(script)
    return set(starts(reading, program, reading.words(ours), LAUNCHERS))


@pytest.mark.parametrize("script", BEFORE_OURS)
def test_a_launcher_of_several_ranks_stands_before_ours(script: str) -> None:
    assert found(script) == {"both"}


@pytest.mark.parametrize("script", NOT_BEFORE_OURS)
def test_what_is_no_launcher_of_the_ranks_leaves_ours_in_its_place(script: str) -> None:
    assert found(script) - {"unknown"} == {"ours"}


@pytest.mark.parametrize("script", BY_ANOTHER)
def test_another_launcher_starts_the_ranks(script: str) -> None:
    assert found(script) == {"another"}


@pytest.mark.parametrize("script", ALONE)
def test_the_program_is_certainly_started_alone(script: str) -> None:
    assert found(script) == {"alone"}


@pytest.mark.parametrize("script", NOBODY_KNOWS)
def test_what_starts_the_program_is_not_known(script: str) -> None:
    assert found(script) == {"unknown"}


def test_a_bare_start_beside_one_that_nobody_knows_is_both() -> None:
    assert found(f"{PROGRAM} --version; /opt/wrapper BARE") == {"alone", "unknown"}


def test_a_launcher_that_begins_with_another_program_is_known_by_its_own_name() -> None:
    ours = "env OMPI_MCA_btl=self mpirun -n 5"

    for before in (["env", "A=1"], ["time", "-v"], ["nice", "-n", "5"], ["numactl", "-l"]):
        assert launcher_names([[*before, "/opt/bin/mpirun", "--oversubscribe"]]) == {"mpirun"}
    assert found(f"run env X=1 time {ours} {PROGRAM} --o x", ours) == {"ours"}
    assert found(f"run env X=1 {PROGRAM} --o x", ours) == {"alone"}


def test_a_program_is_not_another_whose_name_begins_as_its_own() -> None:
    assert found("BARE; /opt/wrapper 'BARE'", program="relion_refine") == set()

"""A site with small real images, for the tests of ``relion-dispatch images`` with real Apptainer.

The small images hold the RELION 5 test image's own relion_refine and mpirun and what they link to.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COMMAND = Path(__file__).parents[3] / "deploy" / "relion-dispatch"
APPTAINER = os.environ.get("RELION_TEST_APPTAINER", "apptainer")
Completed = subprocess.CompletedProcess[str]


@dataclass
class Site:
    """A site with recipes of its own, and what its admin types."""

    folder: Path
    work: Path
    base: Path
    version: str
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        """The environment of its commands; compression is left out of the images, for speed."""
        return {
            **os.environ,
            "RELION_DISPATCH_SITE": str(self.folder),
            "RELION_DISPATCH_PYTHON": sys.executable,
            "APPTAINER_TMPDIR": str(self.work),
            "APPTAINER_MKSQUASHFS_ARGS": "-noI -noD -noF -noX",
            **self.environment,
        }

    def images(
        self, *arguments: str | Path, before: tuple[str, ...] = (), patience: float = 120
    ) -> Completed:
        """Run ``relion-dispatch images …``, behind the words `before`."""
        return self.run("images", *arguments, before=before, patience=patience)

    def run(
        self, *arguments: str | Path, before: tuple[str, ...] = (), patience: float = 120
    ) -> Completed:
        """Run ``relion-dispatch …``, behind the words `before`, for at most `patience` seconds."""
        return subprocess.run(
            [*before, str(COMMAND), *map(str, arguments)],
            env=self.variables,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=patience,
        )

    def add(self, file: Path, *options: str, before: tuple[str, ...] = ()) -> Completed:
        return self.images("add", file, *options, before=before)

    def build(self, *options: str | Path) -> Completed:
        return self.images("build", "relion", self.version, "--base", self.base, *options)

    def start_build(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [COMMAND, "images", "build", "relion", self.version, "--base", self.base],
            env=self.variables,
            stderr=subprocess.PIPE,
            text=True,
        )

    def recipe(self, text: str, **arguments: str) -> None:
        """Make `text` the definition of every version's variant "small"."""
        folder = self.folder / "containers"
        folder.mkdir(exist_ok=True)
        (folder / "small.def").write_text(text)
        (folder / "greeting.txt").write_text("hello\n")
        recipe = {"versions": "*", "variant": "small", "definition": "small.def"}
        content = {"relion": [{**recipe, "arguments": arguments}]}
        (folder / "recipes.json").write_text(json.dumps(content))

    def entry(self) -> dict[str, Any]:
        """The only build in the catalogue."""
        content = json.loads((self.folder / "images.json").read_text())
        ((build,),) = content["relion"]["versions"].values()
        return dict(build)

    def files(self) -> set[str]:
        """Everything in the site's folder and the folder for builds, but the recipes and locks."""
        return {
            str(path)
            for folder in (self.folder, self.work)
            for path in folder.rglob("*")
            if "containers" not in path.parts and path.name != "images.json.lock"
        }


def apptainer(*arguments: str | Path, **variables: str) -> Completed:
    return subprocess.run(
        [APPTAINER, *map(str, arguments)],
        env={**os.environ, "APPTAINER_MKSQUASHFS_ARGS": "-noI -noD -noF -noX", **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )


def pack(root: Path, image: Path, *labels: str) -> Path:
    """Make an image of a folder."""
    definition = image.with_suffix(".def")
    lines = "".join(f"    {label}\n" for label in labels)
    definition.write_text(f"Bootstrap: localimage\nFrom: {root}\n\n%labels\n{lines}")
    apptainer("build", image, definition)
    return image


# Run in the RELION 5 image: its programs and what they need, with the usual merged /usr.
GATHER = """
set -eu
cd /mnt
mkdir -p usr/bin usr/lib usr/lib64 tmp proc sys dev etc
ln -s usr/bin usr/lib usr/lib64 .
mpirun=$(readlink -f "$(command -v mpirun)")
set -- /usr/bin/sh /usr/bin/ls /usr/bin/cat /usr/bin/sleep /usr/bin/dd /usr/bin/relion_refine
set -- "$@" $(readlink -f /usr/bin/prterun)  # which Open MPI's mpirun of today starts
for file in $(ldd "$@" "$mpirun" | sed -n 's,.*[[:space:]]\\(/[^ ]*\\) (0x.*,\\1,p' | sort -u); do
    mkdir -p ".${file%/*}"
    cp -L "$file" ".$file"
done
cp -L "$@" usr/bin
cp -L "$mpirun" usr/bin/mpirun
[ -e usr/bin/prterun ] || ln -s prte usr/bin/prterun
mkdir -p usr/share
[ ! -d /usr/share/prte ] || cp -r /usr/share/prte usr/share
"""


def definition(post: str = "cat greeting.txt", test: str = "relion_refine --version") -> str:
    return f"""Bootstrap: {{{{ bootstrap }}}}
From: {{{{ from }}}}

%arguments
    bootstrap=docker
    from=debian
    word=nothing

%files
    greeting.txt /greeting.txt

%post
    cat /greeting.txt
    {post}
    echo "the word is {{{{ word }}}}" > /word

%labels
    made.with {{{{ word }}}}

%test
    cat /greeting.txt
    {test}
"""


def refused(done: Completed) -> str:
    """The sentence of a command that was refused, and nothing else on its last line."""
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("relion-dispatch: ") and last.endswith("."), last
    return last


def in_namespace(script: str) -> tuple[str, ...]:
    """Words that run a command after `script`, in mounts of its own, as an ordinary user again."""
    user, group = os.getuid(), os.getgid()
    again = f'exec unshare --user --map-user={user} --map-group={group} "$@"'
    return ("unshare", "-rm", "sh", "-ec", f"{script}\n{again}", "sh")

"""Can bash read the shell library that job scripts use, and does the site keep shell of 0.1.0?"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

from ..config.places import files_in, template_folders

__all__ = ["library_problems"]

_GONE = ("complete_record", "json_text", "record_is_ours")  # functions of 0.1.0


def library_problems() -> Iterator[str]:
    """A sentence for each file of the library that bash cannot read, and for a folder of 0.1.0."""
    *own, shipped = template_folders()
    for folder in own:
        if (folder / "parts").is_dir():
            yield (
                f"{folder / 'parts'}: job scripts no longer use templates of this folder: write "
                f"what the site has changed as plain bash into {folder / 'library'}, in a file "
                f"with the name of the file in {shipped / 'library'} that it replaces."
            )
        for path in files_in(folder, ".j2", below=True):
            text = path.read_text(errors="replace")
            for name in _GONE:
                if re.search(rf"\b{name}\b", text):
                    yield (
                        f"{path} calls {name}, a function of version 0.1.0 that job scripts no "
                        f"longer have: write the file again after {shipped / 'library'} and "
                        f"{shipped / 'schedulers'}, or remove the file to use what is shipped."
                    )
        for path in (
            *files_in(folder / "library", ".sh"),
            *files_in(folder / "schedulers", "functions.sh", below=True),
        ):
            read = subprocess.run(["bash", "-n", path], capture_output=True, text=True)
            if read.returncode != 0:
                yield f"bash cannot read the site's {path}: {read.stderr.strip()}"

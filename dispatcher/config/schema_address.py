"""By which address does a file name the JSON Schema that tells editors its keys?

There is no address on the internet: machines of a facility may have none, and an editor has to find
the schema of the version that is installed. So the address is a path, which editors resolve from
the file that names it.
"""

from __future__ import annotations

import os
from pathlib import Path

from .json_files import SCHEMA
from .places import shipped_folder

__all__ = ["SCHEMA", "schema_address"]


def schema_address(name: str, file: Path) -> str:
    """What ``$schema`` is in `file`, which has the keys of the schema `name`, such as "site".

    A file in the same installation gets a relative path, which stays right if that folder is
    known by another name, or if the site is set up again elsewhere.
    """
    # An installation names its copies, whose path stays when it is upgraded.
    installed = os.environ.get("RELION_DISPATCH_SCHEMAS")
    folder = Path(installed) if installed else shipped_folder() / "docs" / "schemas"
    schema = folder / f"{name}.schema.json"
    above = file.absolute().parent
    if installed and above.is_relative_to(folder.parents[1]):
        return os.path.relpath(schema, above)
    return str(schema)

"""What MkDocs needs beside docs/: pages from elsewhere in the project, and one for each command.

MkDocs calls the functions whose names begin with ``on_`` (mkdocs.yml, "hooks").
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File

from docs.making.command_pages import command_file, command_pages

ROOT = Path(__file__).parents[2]
# Files of the project by the page that they become.
ELSEWHERE = {
    "index.md": "README.md",
    "benchmarks.md": "benchmarks/README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "licence.md": "LICENSE",
    "security.md": "SECURITY.md",
}
PAGE_OF = {file: page for page, file in ELSEWHERE.items()}


def on_config(config: Any) -> Any:
    """Add the commands to the navigation, at its end."""
    names = [name for name in command_pages() if name]
    pages = [{name: f"commands/{command_file(name)}"} for name in names]
    config.nav.append({"Commands": [{"relion-dispatch": "commands/index.md"}, *pages]})
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are not in docs/."""
    added = {page: (ROOT / file).read_text("utf-8") for page, file in ELSEWHERE.items()}
    added |= {f"commands/{command_file(n)}": text for n, text in command_pages().items()}
    for page, text in added.items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links between files of the project lead to their pages."""
    here = page.file.src_uri
    if here == "licence.md":
        return "# Licence\n\n" + markdown
    if here.startswith("commands/"):
        return markdown
    file = PurePosixPath(ELSEWHERE.get(here, f"docs/{here}"))

    def to_page(found: re.Match[str]) -> str:
        linked = os.path.normpath(file.parent / found[1])
        target = PAGE_OF.get(linked, linked.removeprefix("docs/"))
        return f"]({os.path.relpath(target, PurePosixPath(here).parent)}"

    return re.sub(r"\]\((?!https?:|#)([^)#\s]+)", to_page, markdown)

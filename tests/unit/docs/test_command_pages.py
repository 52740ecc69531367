"""Every command has a page, made from the help that the command prints."""

from __future__ import annotations

from docs.making.command_pages import command_pages


def test_commands_and_sub_commands_have_pages_with_their_options() -> None:
    pages = command_pages()

    assert "[relion-dispatch check](check.md)" in pages[""]
    assert "[relion-dispatch images add](images-add.md)" in pages["images"]
    assert "| `--script` | Print the job script. |" in pages["plan"]
    assert "RELION's script: JOB/run_submit.script." in pages["submit"]
    assert all(page.startswith("# relion-dispatch") for page in pages.values())

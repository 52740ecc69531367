"""The sentences in a Python module, read from its syntax tree.

A text is every string that reads as words: one constant, an f-string, or several joined. What is
filled in when the program runs is shown as "…"; a part that stands in some cases only is shown
as «part», and one of two as «one | other».
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

__all__ = ["Text", "python_texts", "reads_as_words"]

# Calls whose texts nobody meets as a sentence: they are help, patterns, words for a program, or
# words that are looked for in another text.
_NO_SENTENCES = {"Option", "Argument", "Typer", "compile", "findall", "fullmatch", "search", "sub",
                 "removeprefix", "removesuffix", "startswith", "endswith", "partition"}  # fmt: skip
_CODE = re.compile(r"\(\?|\\[sdw]|^\s*[{<#]|^import |[;&|]{2}|\S\||\|\S|\$@")


class Text(NamedTuple):
    """One sentence or part of one, and the error whose it is ("ConfigError"; "" if none)."""

    words: str
    error: str


def reads_as_words(text: str) -> bool:
    """Whether somebody could read the text aloud: it has some words, and is no program code.

    Two words are enough beside something that is filled in, one in a whole sentence ("Image ….").
    """
    words = re.findall(r"(?<!\S)[\"'(«]?[A-Za-z][A-Za-z']+(?![\w=])", text)
    least = 3 if "…" not in text else 1 if re.match(r"[A-Z].*\.$", text) else 2
    return len(words) >= least and not _CODE.search(text)


def python_texts(module: Path, errors: frozenset[str]) -> list[Text]:
    """The texts of one module in the order in which they stand; `errors` are names of classes."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    constants = _constants(tree)
    used: set[str] = set()
    texts = [
        Text(_worded(node, constants, used).strip(), error)
        for node, error in _string_nodes(tree, errors)
    ]
    inlined = {_worded(constants[name], constants, set()).strip() for name in used}
    return [
        each
        for each in texts
        if each.words not in inlined
        and (reads_as_words(each.words) or (each.error and re.search("[a-z]", each.words)))
    ]


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    """Texts that the module gives a name, to be shown in the sentences that they are part of."""
    return {
        statement.targets[0].id: statement.value
        for statement in tree.body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and _is_text(statement.value)
    }


def _is_text(node: ast.AST) -> bool:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _is_text(node.left) or _is_text(node.right)
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _string_nodes(
    node: ast.AST, errors: frozenset[str], error: str = ""
) -> Iterator[tuple[ast.expr, str]]:
    """The largest text expressions below `node`, docstrings and what is no sentence left out."""
    if isinstance(node, ast.expr) and _is_text(node):
        yield node, error
        return
    if isinstance(node, ast.Compare):  # the words are another's
        return
    if isinstance(node, ast.Call):
        called = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if called in _NO_SENTENCES:
            return
        error = called if called in errors else error
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue  # a docstring
        yield from _string_nodes(child, errors, error)


def _worded(node: ast.expr, constants: Mapping[str, ast.expr], used: set[str]) -> str:
    """The text of an expression as people read it; adds the names of `constants` it is made of."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_worded(each, constants, used) for each in node.values)
    if isinstance(node, ast.FormattedValue):
        return _worded(node.value, constants, used)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _worded(node.left, constants, used) + _worded(node.right, constants, used)
    if isinstance(node, ast.Name) and node.id in constants:
        used.add(node.id)
        return _worded(constants[node.id], constants, used)
    if isinstance(node, ast.IfExp):
        both = (_worded(each, constants, used) for each in (node.body, node.orelse))
        shown = [each for each in both if each]
        return f"«{' | '.join(shown)}»" if set(shown) != {"…"} else "…"
    return "…"

"""Shell words: split as bash does, written back so that bash reads the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.errors import InputError
from dispatcher.host.shell_words import Variable, Word, quote, split


def words(line: str) -> list[str]:
    return [str(word) for word in split(line)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", []),
        (" \t ", []),
        ("--o  Class2D/job001/run\t--ctf  ", ["--o", "Class2D/job001/run", "--ctf"]),
        ('--gpu "" --j 4', ["--gpu", "", "--j", "4"]),
        ("'' \"\"", ["", ""]),
        ('--i " a.star b.star "', ["--i", " a.star b.star "]),
        ("a'b c'\"d e\"f", ["ab cd ef"]),
        (r"my\ file a\\b \"x", ["my file", r"a\b", '"x']),
        (r'"a\"b" "a\\b" "a\nb" "a\$b"', ['a"b', "a\\b", r"a\nb", "a$b"]),
        (r"'a\b'", [r"a\b"]),
        ("'$HOME' '`x`'", ["$HOME", "`x`"]),
        ('--i "Micrographs/*.mrcs" *.mrc', ["--i", "Micrographs/*.mrcs", "*.mrc"]),
        ("a;b a&b a|b >x <y (z) {a,b} ~/x #c", ["a;b", "a&b", "a|b", ">x", "<y", "(z)", "{a,b}",
                                                "~/x", "#c"]),
        ("$(x) `x` $((1)) $1 $? $ ${X:-y}", ["$(x)", "`x`", "$((1))", "$1", "$?", "$", "${X:-y}"]),
        (r"a$'it\'s\x1b'b $'\\\xff'", ["ait's\x1bb", "\\\udcff"]),
        (r"""$'a' $'\n' "$'\x1b'" \$'\x1b'""", ["$a", r"$\n", r"$'\x1b'", r"$\x1b"]),
        ("Größe Ångström\u3000x", ["Größe", "Ångström\u3000x"]),
    ],
)  # fmt: skip
def test_a_line_splits_into_words(line: str, expected: list[str]) -> None:
    assert words(line) == expected


@pytest.mark.parametrize("line", ['--i "a', "--i 'a", "don't", "a\\", '"a\\"'])
def test_what_is_not_closed_is_refused(line: str) -> None:
    with pytest.raises(InputError):
        split(line)


@pytest.mark.parametrize(
    ("text", "parts", "shell"),
    [
        ("/s/$JOB", ("/s/", Variable("JOB", quoted=False)), "/s/${JOB}"),
        ("/s/${JOB}x", ("/s/", Variable("JOB", quoted=False), "x"), "/s/${JOB}x"),
        ('"/s/$JOB"', ("/s/", Variable("JOB", quoted=True)), '/s/"${JOB}"'),
        ('"$A"$B', ("", Variable("A", quoted=True), Variable("B", quoted=False)), "''\"${A}\"${B}"),
        ('"$A"', (Variable("A", quoted=True),), '"${A}"'),
        (r"\$A", ("$A",), "'$A'"),
        ("'$A'", ("$A",), "'$A'"),
        ('$A""', (Variable("A", quoted=False), ""), "${A}''"),
        ("''", ("",), "''"),
        ("$A;x", (Variable("A", quoted=False), ";x"), "${A}';x'"),
    ],
)
def test_variables_survive_and_nothing_else_expands(
    text: str, parts: tuple[str | Variable, ...], shell: str
) -> None:
    (word,) = split(text)

    assert word.parts == parts
    assert word.shell() == shell


@pytest.mark.parametrize(
    ("text", "shown"), [("$A/b", "$A/b"), ("${A}b", "${A}b"), ("${A}$B", "${A}$B"), ('"$A"', "$A")]
)
def test_a_word_is_shown_as_people_write_it(text: str, shown: str) -> None:
    assert words(text) == [shown]


def test_a_literal_word_expands_nothing() -> None:
    assert Word.literal("$HOME").shell() == "'$HOME'"
    assert Word.literal("").shell() == "''"


@pytest.mark.parametrize(
    ("text", "quoted"),
    [("a/b-c_d.e:f,g%h+i@j", "a/b-c_d.e:f,g%h+i@j"), ("", "''"), ("a b", "'a b'"),
     ("--x=b", "--x=b"), ("~", "'~'"), ("x=~", "'x=~'"), ("it's", "'it'\"'\"'s'"), ("ä", "'ä'")],
)  # fmt: skip
def test_quote_leaves_only_what_is_safe_everywhere(text: str, quoted: str) -> None:
    assert quote(text) == quoted


@given(st.lists(st.text(st.characters(exclude_characters="\0\n", exclude_categories=["Cs"]))))
def test_quoted_words_split_back_to_themselves(texts: list[str]) -> None:
    assert words(" ".join(map(quote, texts))) == texts


@given(st.text(st.sampled_from("ab $\\\"'`{}(X)_;"), max_size=20))
def test_what_was_split_once_splits_the_same_again(line: str) -> None:
    try:
        first = split(line)
    except InputError:
        return
    assert words(" ".join(word.shell() for word in first)) == [str(word) for word in first]

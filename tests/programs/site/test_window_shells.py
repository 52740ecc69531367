"""RELION's window, as real shells and modules have it: whatever a site writes in its labels."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispatcher.planning.window_variables import WindowVariables
from dispatcher.site.window.files import write
from dispatcher.site.window.shells import LANGUAGES

from .window_shells import LOADERS, MODULES, SOURCED, fill, loaded, share

HOSTILE = [
    "it's $HOME `id` $(id) \"quoted\" !! !id !",
    r"[exec id] {a} }{ \ \\ \n \$HOME ${HOME} $::env(HOME) %s %HOME%",
    "# ; & | < > * ? ~ ^x^y^ ~root -n -- = == a=b=",
    "'", '"', "\\", "!", "''", "'!'", "\\'", "]]", "]=]", "--", "Å ü 時間 €",
    "h" * 1500,
]  # fmt: skip
# What a site may write is printable, without blanks around it. Tcl 8.6 knows nothing above U+FFFF.
TEXTS = st.text(
    st.one_of(
        st.sampled_from(list("'\"\\!$`[]{}()#;&|<>*?~^=%- \u00e5")),
        st.characters(codec="utf-8", max_codepoint=0xFFFF, exclude_categories=("C", "Z")),
    ),
    min_size=1,
    max_size=30,
).map(lambda text: text.strip() or "-")


def variables_of(texts: list[str]) -> WindowVariables:
    values = {f"RELION_QSUB_EXTRA{n}": text for n, text in enumerate(texts, 1)}
    defaults = {f"RELION_OWN{n}": text for n, text in enumerate(texts, 1)}
    return WindowVariables(values, defaults)


@pytest.fixture
def prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A prefix with what users load, and an empty folder of the site."""
    (tmp_path / "etc" / "relion-dispatch").mkdir(parents=True)
    monkeypatch.setenv("RELION_DISPATCH_SITE", str(tmp_path / "etc" / "relion-dispatch"))
    fill(tmp_path)
    return tmp_path


def ours(environment: dict[str, str]) -> dict[str, str]:
    return {k: v for k, v in environment.items() if re.match("RELION_(QSUB_EXTRA|OWN)", k)}


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_no_text_of_a_site_is_read_as_anything_but_itself(
    loader: str, locale: str, prefix: Path
) -> None:
    wanted = variables_of(HOSTILE)
    list(write(wanted))

    seen = loaded(loader, share(loader, prefix), {"LC_ALL": locale})

    assert ours(seen) == {**wanted.fields, **wanted.defaults}


@pytest.mark.parametrize("loader", LOADERS)
@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(texts=st.lists(TEXTS, min_size=20, max_size=20))
def test_any_text_comes_through(loader: str, texts: list[str], prefix: Path) -> None:
    wanted = variables_of(texts)
    list(write(wanted))

    assert ours(loaded(loader, share(loader, prefix))) == {**wanted.fields, **wanted.defaults}


@pytest.mark.parametrize("loader", LOADERS)
def test_what_a_user_has_set_stays_but_for_the_fields(loader: str, prefix: Path) -> None:
    list(write(variables_of(["new"])))
    own = {"RELION_QSUB_EXTRA1": "old", "RELION_OWN1": "mine"}

    seen = ours(loaded(loader, share(loader, prefix), own))

    assert seen == {"RELION_QSUB_EXTRA1": "new", "RELION_OWN1": "mine"}


@pytest.mark.parametrize("loader", LOADERS)
def test_the_site_that_a_user_names_counts(loader: str, prefix: Path, tmp_path: Path) -> None:
    list(write(variables_of(["of the installation"])))
    other = tmp_path / "another site"
    other.mkdir()
    os.environ["RELION_DISPATCH_SITE"] = str(other)  # which the fixture gives back
    list(write(variables_of(["of another"])))

    seen = ours(loaded(loader, share(loader, prefix), {"RELION_DISPATCH_SITE": str(other)}))

    assert seen["RELION_QSUB_EXTRA1"] == "of another"


@pytest.mark.parametrize("loader", LOADERS)
def test_an_installation_without_these_files_loads_as_ever(loader: str, prefix: Path) -> None:
    seen = loaded(loader, share(loader, prefix))

    assert not ours(seen)
    assert seen["RELION_QUEUE_USE"] == "Yes"


@pytest.mark.parametrize("loader", MODULES)
def test_unloading_takes_back_what_was_loaded_and_no_more(loader: str, prefix: Path) -> None:
    list(write(variables_of(["one", "two"])))
    shorter = prefix / "shorter"
    shorter.write_text("always RELION_QSUB_EXTRA1 one\n")
    window = prefix / "etc" / "relion-dispatch" / "window" / "window.txt"
    unload = f"cp {shorter} {window}; module unload relion-dispatch;"

    seen = loaded(loader, share(loader, prefix), {"RELION_OWN2": "mine"}, unload)

    assert ours(seen) == {"RELION_OWN2": "mine"}
    assert not [name for name in seen if name.startswith(("RELION_Q", "RELION_DISPATCH_LOADED"))]


@pytest.mark.parametrize("shell", SOURCED)
def test_what_is_printed_for_a_shell_is_what_it_reads(shell: str, tmp_path: Path) -> None:
    wanted = variables_of(HOSTILE)
    file = tmp_path / "mine"
    file.write_text(LANGUAGES["csh" if "csh" in shell else "sh"](wanted))

    assert ours(loaded(shell, file)) == {**wanted.fields, **wanted.defaults}


@pytest.mark.parametrize("loader", MODULES)
def test_what_is_printed_for_a_module_is_what_it_reads(loader: str, tmp_path: Path) -> None:
    wanted = variables_of(HOSTILE)
    language = "lua" if loader == "lmod" else "tcl"
    name = "relion-dispatch.lua" if language == "lua" else "relion-dispatch"
    head = "" if language == "lua" else "#%Module\n"
    (tmp_path / name).write_text(head + LANGUAGES[language](wanted))

    seen = loaded(loader, tmp_path, {"LC_ALL": "C.UTF-8"})
    assert ours(seen) == {**wanted.fields, **wanted.defaults}
    assert not ours(loaded(loader, tmp_path, again="module unload relion-dispatch;"))

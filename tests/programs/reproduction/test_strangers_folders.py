"""Which folders and files a stranger's record reaches: its project, its inputs, its results."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path

import pytest

from .strangers import JOB, Stranger


@pytest.mark.parametrize("place", ["/usr/local/bin", "/opt/relion", "/", "HOME", "above HOME"])
def test_a_moved_project_must_not_take_the_place_of_programs_or_of_the_home(
    stranger: Stranger, place: str
) -> None:
    place = {"HOME": str(Path.home()), "above HOME": str(Path.home().parent)}.get(place, place)
    stranger.was_in(place)

    assert f"--accept-bind {place}`" in stranger.refused()
    assert stranger.reproduce("--accept-bind", place)[0]


def test_the_users_home_is_read_only_where_a_site_binds_it(stranger: Stranger) -> None:
    """Apptainer takes the first of two folders for one place."""
    home = pwd.getpwuid(os.getuid()).pw_dir
    config = stranger.top / "site/site.json"
    content = json.loads(config.read_text())
    content["apptainer"]["bind"] = [home + "/"]
    config.write_text(json.dumps(content))
    (own,) = stranger.honest["commands"]
    option = f"--mount=type=bind,source={home}/,destination={home}/"
    stranger.command(own["shell"], stranger.prefix(option))
    stranger.honest["commands"][0]["prefix"] = [
        word for word in stranger.prefix(option) if "/scratch" not in word
    ]
    stranger.record()

    text, said = stranger.reproduce()

    assert text, said
    (argv,) = stranger.starts(text)
    seen = [word.decode() for word in argv if f'"destination={home}"'.encode() in word]
    assert seen == [f'--mount=type=bind,"source={home}","destination={home}",ro']


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
@pytest.mark.parametrize(
    "name",
    [
        b"\xff\xfe",
        "é\u202e".encode(),
        b"a\nb\n",
        b"-rf",
        b"$(touch canary)`touch canary`",
        b'it\'s "quoted", \\n: x;y',
        b"\r\x1b[2Jx",
    ],
)
def test_a_project_has_any_path(
    stranger: Stranger, name: bytes, locale: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger.canary = stranger.programs / "canary"  # where the script is started
    folder = stranger.project.with_name(os.fsdecode(name))
    now = str(folder)
    stranger.project.rename(folder)
    stranger.project, stranger.file = folder, folder / JOB / "dispatch.json"
    monkeypatch.chdir(folder)
    stranger.was_in(now)

    text, said = stranger.reproduce()

    assert text, ascii(said)
    (argv,) = stranger.starts(text, locale)
    path = os.fsencode(now).replace(b'"', b'""')
    assert b'--mount=type=bind,"source=%s","destination=%s",ro' % (path, path) in argv
    assert b"--pwd=" + os.fsencode(now) in argv
    assert "the results are in" in stranger.said


def test_the_script_is_written_through_no_link_and_over_no_file(stranger: Stranger) -> None:
    precious = stranger.top / "precious"
    precious.write_text("mine")
    link, gone = stranger.top / "link.sh", stranger.top / "gone.sh"
    link.symlink_to(precious)
    gone.symlink_to(stranger.top / "nowhere")

    for path in (precious, link, gone, stranger.top):
        assert "already exists" in stranger.refused("--write", str(path))

    assert precious.read_text() == "mine"
    assert not (stranger.top / "nowhere").exists()
    assert "cannot be written" in stranger.refused("--write", str(stranger.top / "no/x.sh"))


@pytest.mark.parametrize("link", ["Reproduced", "Reproduced/Class3D", "Reproduced/Class3D/job010"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("named", [False, True])
def test_no_link_of_the_project_leads_the_results_elsewhere(
    stranger: Stranger, link: str, when: str, named: bool
) -> None:
    """Unless the user names the place to which it leads."""
    elsewhere = stranger.top / "home/.config"
    elsewhere.mkdir(parents=True)
    output = ["--output", f"{stranger.project}/Reproduced/{JOB}"] if named else []
    (stranger.project / link).parent.mkdir(parents=True, exist_ok=True)
    if when == "before":
        (stranger.project / link).symlink_to(elsewhere)
        assert f"a link leads from there to {elsewhere}" in stranger.refused(*output)
        place = f"{elsewhere}{f'{os.sep}{JOB}'.removeprefix(link.removeprefix('Reproduced'))}"
        text, said = stranger.reproduce("--output", place)
        assert text, said
        assert stranger.starts(text)
        assert list(elsewhere.rglob("run.out"))
        return
    text, said = stranger.reproduce(*output)
    assert text, said
    (stranger.project / link).symlink_to(elsewhere)

    assert not stranger.starts(text)

    assert "a link leads from" in stranger.said
    assert not list(elsewhere.iterdir())


def test_links_within_the_project_and_a_linked_project_are_no_other_place(
    stranger: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stranger.project / "disk").mkdir()
    (stranger.project / "Reproduced").symlink_to("disk")
    linked = stranger.top / "linked"
    linked.symlink_to(stranger.project)
    monkeypatch.chdir(linked)

    text, said = stranger.reproduce()

    assert text, said
    assert stranger.starts(text)
    assert (stranger.project / "disk" / JOB / "run.out").exists()


@pytest.mark.parametrize("was", ["//usr/local", "//root", "/usr/", "///opt"])
def test_a_projects_path_has_one_form(stranger: Stranger, was: str) -> None:
    stranger.was_in(was)

    said = stranger.refused()

    assert '(its "project" is not the path of a project)' in said


def test_a_folder_that_the_sites_own_options_bind_is_not_asked_for(stranger: Stranger) -> None:
    option = "--mount=type=bind,source=/opt,destination=/opt,ro"
    config = stranger.top / "site/site.json"
    content = json.loads(config.read_text())
    content.setdefault("apptainer", {})["options"] = [option]
    config.write_text(json.dumps(content))
    (own,) = stranger.honest["commands"]
    stranger.command(own["shell"], stranger.prefix(option))

    assert stranger.reproduce()[0]


def test_an_input_is_accepted_by_the_name_that_the_refusal_gives(stranger: Stranger) -> None:
    """Also if the name is a pattern that does not match itself."""
    particles = stranger.project / "Select/job007/particles.star"
    odd = particles.with_name("p[1].star")
    particles.rename(odd)
    record = json.dumps(stranger.honest).replace("particles.star", odd.name)
    stranger.honest = json.loads(record)
    stranger.record()
    with odd.open("a") as stream:
        stream.write("\n")

    assert "--accept-changed 'Select/job007/p[1].star'" in stranger.refused()

    assert stranger.reproduce("--accept-changed", "Select/job007/p[1].star")[0]

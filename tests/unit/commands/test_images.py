"""``relion-dispatch images list|verify|remove|default``."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dispatcher.cli import main
from dispatcher.config.catalogue import Listed, load_catalogue
from dispatcher.config.site import load_site
from dispatcher.images.edit_catalogue import edit, entry, put
from dispatcher.images.integrity import sha256_of
from dispatcher.images.known_projects import remember
from dispatcher.images.verify import verify

from ...fixture_types import WriteSite
from ...sif_file import write_sif


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run a command: exit status, and all that it printed."""

    def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        status = main(["images", *arguments])
        out, err = capsys.readouterr()
        return status, out + err

    return run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that is pinned to 5.1.0 and known to the site."""
    (tmp_path / "site" / "projects").mkdir()
    project = tmp_path / "project"
    project.mkdir()
    pin = {"images": {"relion": {"version": "5.1.0"}}}
    (project / ".relion_dispatch.json").write_text(json.dumps(pin))
    remember(project, load_site())
    return project


def content(images: Path) -> Any:
    return json.loads(images.read_text())


def test_a_listing_tells_the_state_of_each_file(images: Path, printed: Any) -> None:
    with edit() as catalogue:
        for version in ("5.1.0", "3.1.3"):
            found = entry(catalogue, "relion", version, "cpu")
            assert found is not None
            path = images.parent / f"relion-{version}-cpu.sif"
            found |= {"sha256": sha256_of(path), "size": path.stat().st_size, "mtime": 1}
            found["sif_id"] = write_sif(path)
    write_sif(images.parent / "relion-3.1.3-cpu.sif", b"another content")
    (images.parent / "relion-3.1.3-cuda.sif").unlink()
    damaged = images.parent / "relion-5.1.0-cuda.sif"
    damaged.write_bytes(damaged.read_bytes()[:-1])

    status, table = printed("list")
    rows = json.loads(printed("list", "--json")[1])

    assert status == 0
    states = {(row["version"], row["variant"]): row["state"] for row in rows}
    assert states == {
        ("5.1.0", "cuda"): "damaged",
        ("5.1.0", "cpu"): "touched",
        ("3.1.3", "cuda"): "missing",
        ("3.1.3", "cpu"): "changed",
    }
    assert "5.1.0 (default)" in table
    assert len(table.splitlines()) == 5


def test_weights_are_listed_where_jobs_look_for_them(images: Path, printed: Any) -> None:
    with edit() as catalogue:
        build = {"variant": "python", "path": "images/x.sif", "weights": "networks"}
        put(catalogue, "relion", "5.1.0", build)

    rows = json.loads(printed("list", "--json")[1])

    (found,) = (row for row in rows if row["variant"] == "python")
    assert found["path"] == str(images.parent / "images/x.sif")
    assert found["weights"] == str(images.parent / "networks")


def test_verifying_records_what_was_not_known(images: Path, printed: Any) -> None:
    assert json.loads(printed("list", "--json")[1])[0]["state"] == "not recorded"

    status, said = printed("verify", "relion", "5.1.0")

    build = content(images)["relion"]["versions"]["5.1.0"][0]
    digest = sha256_of(images.parent / build["path"])
    assert status == 0
    assert f"relion 5.1.0 (cuda): in order (recorded its sha256, {digest})\n" in said
    assert build["sha256"] == digest
    assert json.loads(printed("list", "--json")[1])[0]["state"] == "present"
    assert printed("verify", "relion", "5.1.0")[1].count("in order\n") == 2


def test_verifying_records_another_time(images: Path, printed: Any) -> None:
    printed("verify", "--all")
    os.utime(images.parent / "relion-5.1.0-cpu.sif", ns=(1, 1))

    status, said = printed("verify", "--all")

    assert status == 0
    assert said.count("recorded") == 1
    assert "relion 5.1.0 (cpu): in order (recorded its size and time)" in said
    assert content(images)["relion"]["versions"]["5.1.0"][1]["mtime"] == 1


def test_verifying_goes_on_where_nothing_can_be_recorded(images: Path, printed: Any) -> None:
    (images.parent / "images.json.lock").mkdir()
    before = images.read_bytes()

    status, said = printed("verify", "--all")

    assert status == 0
    assert said.count("could not be recorded: The catalogue") == 4
    assert images.read_bytes() == before


def test_an_entry_that_another_admin_replaced_meanwhile_keeps_its_own_digest(images: Path) -> None:
    first = next(load_catalogue(images).builds())

    def replace_it(_image: Listed, _done: int) -> None:
        with edit() as catalogue:
            new = {"variant": "cuda", "path": "new.sif", "sha256": "1" * 64}
            put(catalogue, "relion", "5.1.0", new)

    (found,) = verify([first], load_site(), replace_it)

    assert found.note == "its entry in the catalogue was changed meanwhile"
    assert content(images)["relion"]["versions"]["5.1.0"][0]["sha256"] == "1" * 64


def test_verifying_finds_a_changed_byte(images: Path, printed: Any) -> None:
    printed("verify", "--all")
    path = images.parent / "relion-5.1.0-cpu.sif"
    before = path.stat()
    path.write_bytes(path.read_bytes()[:-1] + b"X")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    status, said = printed("verify", "--all")

    assert status == 1
    assert said.count("in order") == 3
    assert f"the sha256 of {path} is {sha256_of(path)}" in said


def test_verifying_names_what_the_sites_policy_refuses(
    images: Path, printed: Any, site: WriteSite
) -> None:
    site("site.json", {"apptainer": {"signed_by": ["AB12" * 10]}})

    status, said = printed("verify", "--all")

    assert status == 1
    assert said.count("its file is in order (recorded its sha256") == 4
    assert said.count("jobs are refused this image") == 4
    assert "sha256" in content(images)["relion"]["versions"]["5.1.0"][0]


def test_verify_wants_to_know_what(images: Path, printed: Any) -> None:
    assert printed("verify")[0] == 2
    assert '(it has relion); did you mean "relion"?' in printed("verify", "relyon")[1]
    assert "relion 9 is not in the catalogue" in printed("verify", "relion", "9")[1]


def test_a_version_that_a_known_project_pins_stays_unless_told_twice(
    images: Path, project: Path, printed: Any
) -> None:
    printed("default", "relion", "3.1.3")

    status, said = printed("remove", "relion", "5.1.0")
    assert status == 1
    assert str(project) in said
    assert "--even-if-pinned 5.1.0" in said
    assert "5.1.0" in content(images)["relion"]["versions"]
    assert printed("remove", "relion", "5.1.0", "--even-if-pinned", "5.1")[0] == 2

    status, said = printed("remove", "relion", "5.1.0", "--even-if-pinned", "5.1.0")
    assert status == 0
    assert list(content(images)["relion"]["versions"]) == ["3.1.3"]
    assert (images.parent / "relion-5.1.0-cpu.sif").exists()


def test_the_default_stays_while_there_are_others(images: Path, printed: Any) -> None:
    status, said = printed("remove", "relion", "5.1.0")

    assert status == 1
    assert "images default relion 3.1.3" in said


def test_one_variant_can_go_with_its_file_and_the_last_version_takes_the_image_along(
    images: Path, printed: Any
) -> None:
    printed("remove", "relion", "3.1.3", "--variant", "cuda", "--delete-file")
    assert [build["variant"] for build in content(images)["relion"]["versions"]["3.1.3"]] == ["cpu"]
    assert not (images.parent / "relion-3.1.3-cuda.sif").exists()

    printed("remove", "relion", "3.1.3")
    assert printed("remove", "relion", "5.1.0")[0] == 0
    assert content(images) == {}
    assert 'The image "relion" is not in the catalogue' in printed("remove", "relion", "5.1.0")[1]


def test_a_file_that_another_entry_lists_is_not_deleted(images: Path, printed: Any) -> None:
    with edit() as catalogue:
        stand_in = {"variant": "stand-in", "path": "../site/relion-5.1.0-cpu.sif"}
        put(catalogue, "relion", "5.1.0", stand_in)

    status, said = printed("remove", "relion", "5.1.0", "--variant", "stand-in", "--delete-file")

    assert status == 0
    kept = images.parent / "../site/relion-5.1.0-cpu.sif"
    assert said.endswith(
        f"The file {kept} is kept, because the catalogue has it as relion 5.1.0 (cpu) too.\n"
    )
    assert (images.parent / "relion-5.1.0-cpu.sif").exists()


def test_a_file_that_cannot_be_deleted_is_told(images: Path, printed: Any) -> None:
    path = images.parent / "relion-3.1.3-cuda.sif"
    path.unlink()
    path.mkdir()

    status, said = printed("remove", "relion", "3.1.3", "--variant", "cuda", "--delete-file")

    assert status == 1
    assert f"is out of the catalogue, but {path} cannot be deleted" in said


def test_a_project_whose_pin_file_is_damaged_counts_as_a_user(
    images: Path, project: Path, printed: Any
) -> None:
    (project / ".relion_dispatch.json").write_text("{")

    status, said = printed("remove", "relion", "3.1.3")

    assert status == 1
    assert f"damaged pin file): {project}. If a project no longer exists" in said
    assert "3.1.3" in content(images)["relion"]["versions"]


def test_a_project_on_a_disk_that_is_not_mounted_counts_as_a_user(
    images: Path, project: Path, printed: Any
) -> None:
    group = project.parent / "group"
    group.mkdir()
    remember(group / "elsewhere", load_site())

    status, said = printed("remove", "relion", "3.1.3")

    assert status == 1
    assert "could not be checked (no permission, not mounted, or damaged pin file)" in said
    assert f"{group}/elsewhere" in said
    assert "3.1.3" in content(images)["relion"]["versions"]


def test_a_variant_that_no_pinned_project_has_used_can_go(
    images: Path, project: Path, printed: Any
) -> None:
    pin_file = project / ".relion_dispatch.json"
    assert printed("remove", "relion", "5.1.0", "--variant", "cuda")[0] == 1

    pin = {"version": "5.1.0", "sha256": {"cpu": "1" * 64}}
    pin_file.write_text(json.dumps({"images": {"relion": pin}}))
    status, said = printed("remove", "relion", "5.1.0", "--variant", "cpu")
    assert status == 1
    assert said.startswith("relion-dispatch: relion 5.1.0 (cpu) stays in the catalogue.")
    assert f"have used this variant, or may have: {project}. " in said
    (advised,) = re.findall("`relion-dispatch images (remove .*?)`", said)
    assert advised == "remove relion 5.1.0 --variant cpu --even-if-pinned 5.1.0"
    assert printed("remove", "relion", "5.1.0", "--variant", "cuda")[0] == 0

    assert [each["variant"] for each in content(images)["relion"]["versions"]["5.1.0"]] == ["cpu"]


def test_without_a_folder_of_projects_removing_says_so(images: Path, printed: Any) -> None:
    assert (
        "relion-dispatch does not know which projects are pinned"
        in printed("remove", "relion", "3.1.3")[1]
    )


def test_a_new_default_tells_who_stays(images: Path, project: Path, printed: Any) -> None:
    assert printed("default", "relion", "3.1.3") == (
        0,
        "New projects get relion 3.1.3; it was 5.1.0.\n"
        "Known projects that stay pinned to 5.1.0: 1.\n",
    )
    assert content(images)["relion"]["default"] == "3.1.3"
    assert "relion 4 is not in the catalogue" in printed("default", "relion", "4")[1]

"""Makers of GPUs: all that differs is in one table, so that another one costs one entry."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.config.catalogue import load_catalogue
from dispatcher.config.configuration import load_configuration
from dispatcher.config.gpu_vendors import VENDORS, GpuVendor, let_through_by
from dispatcher.config.site import load_site
from dispatcher.errors import ConfigError, ImageError
from dispatcher.images.inspect import read_answer
from dispatcher.job_script.variables import NO_TOKEN, job_script, job_variables
from dispatcher.planning.make_plan import plan_script
from dispatcher.planning.plan import Plan

from ...fixture_types import CorpusJob, WriteSite

DISPATCHER = Path(__file__).parents[3] / "dispatcher"
TABLE = DISPATCHER / "config" / "gpu_vendors.py"
DOCUMENTED = (DISPATCHER.parent / "docs" / "gpu.md").read_text()


every_vendor = pytest.mark.parametrize("vendor", VENDORS.values(), ids=VENDORS)


@pytest.fixture
def planned(site: WriteSite, images: Path, corpus_job: CorpusJob) -> Callable[[GpuVendor], Plan]:
    """Plan a refinement at a site with that vendor's GPUs."""

    def plan(vendor: GpuVendor) -> Plan:
        images.write_text(images.read_text().replace("nvidia", vendor.name))
        site("site.json", {"apptainer": {"gpu_option": vendor.options[0]}})
        return plan_script(corpus_job("relion-5.0.1/Refine3D_job011"), load_configuration())

    return plan


def literals(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return {str(node.value) for node in nodes if isinstance(node, ast.Constant)}


def test_no_other_module_names_a_vendor() -> None:
    found = [path for path in DISPATCHER.rglob("*.py") if literals(path) & set(VENDORS)]

    assert found == [TABLE]


def test_no_job_script_names_a_vendor() -> None:
    vendors = re.compile(rf"\b({'|'.join(VENDORS)})\b(?!-)", re.IGNORECASE)  # nvidia-smi is a tool
    files = [path for path in (DISPATCHER.parent / "job_template").rglob("*") if path.is_file()]

    lines = [line.strip() for path in files for line in path.read_text().splitlines()]

    assert len(lines) > 500
    assert [line for line in lines if line[:1] != "#" and vendors.search(line)] == []


@every_vendor
def test_the_documentation_has_a_row_for_a_vendor_with_what_the_table_says(
    vendor: GpuVendor,
) -> None:
    (row,) = re.findall(rf"^\| {vendor.title} \|.*$", DOCUMENTED, re.MULTILINE)

    settings = [f"{name}={value}" for name, value in vendor.settings.items()]
    variables = [*vendor.variables, *settings]
    words = [vendor.name, *vendor.options, *variables, f"{vendor.build}-ACC", vendor.variant]
    assert re.findall(r"`([^`]*)`", row) == words


@every_vendor
def test_every_option_of_a_vendor_tells_whose_cards_it_lets_through(vendor: GpuVendor) -> None:
    for option in vendor.options:
        assert let_through_by(option).name == vendor.name


@every_vendor
def test_a_job_uses_the_cards_of_the_site(
    vendor: GpuVendor, planned: Callable[[GpuVendor], Plan]
) -> None:
    plan = planned(vendor)

    assert plan.image
    assert plan.image.build.gpu == vendor.name
    main = next(command for command in plan.commands if command.is_main)
    assert vendor.options[0] in [word.planned for word in main.prefix]
    assert main.command.value("gpu") == "0:1:2:3"
    assert set(vendor.variables) <= set(plan.environment)
    assert plan.mps is vendor.mps
    variables = job_variables(plan, NO_TOKEN)
    assert (variables["gpu_kind"], variables["dispatch"]["gpu_tool"]) == (
        vendor.name,
        vendor.memory_tool,
    )


@every_vendor
def test_a_job_script_asks_no_other_vendors_tool(
    vendor: GpuVendor, planned: Callable[[GpuVendor], Plan]
) -> None:
    text = job_script(planned(vendor), NO_TOKEN)

    tools = {each.memory_tool for each in VENDORS.values() if each.memory_tool}
    assert {tool for tool in tools if tool in text} == tools & {vendor.memory_tool}


def test_variables_of_other_vendors_stay_outside(planned: Callable[[GpuVendor], Plan]) -> None:
    plan = planned(VENDORS["intel"])

    assert "ZE_AFFINITY_MASK" in plan.environment
    assert "CUDA_VISIBLE_DEVICES" not in plan.environment


def test_a_variable_that_the_site_lists_as_well_is_passed_once(site: WriteSite) -> None:
    site("site.json", {"apptainer": {"environment": ["CUDA_VISIBLE_DEVICES", "MINE"]}})

    assert load_site().apptainer.let_through == [
        "CUDA_VISIBLE_DEVICES",
        "MINE",
        "CUDA_DEVICE_ORDER",
    ]


@every_vendor
def test_a_job_on_gpus_gets_the_settings_of_its_vendor_and_no_others(
    vendor: GpuVendor, planned: Callable[[GpuVendor], Plan]
) -> None:
    """In the container as well, and whether or not there is one."""
    plan = planned(vendor)

    exported = [f"export {name}={value}" for name, value in vendor.settings.items()]
    for each in (plan, plan._replace(image=None)):
        lines = job_script(each, NO_TOKEN).splitlines()
        assert [line for line in lines if line.startswith("export ")] == exported
        assert all(lines.index(line) < lines.index("clean_environment") for line in exported)
    assert set(vendor.settings) <= set(plan.environment)
    on_cpus = plan._replace(ngpu=0, mps=False)
    assert "\nexport " not in job_script(on_cpus, NO_TOKEN)


@every_vendor
def test_on_several_nodes_the_ranks_get_the_variables_and_settings_of_their_vendor(
    vendor: GpuVendor, site: WriteSite, images: Path, corpus_job: CorpusJob
) -> None:
    images.write_text(images.read_text().replace("nvidia", vendor.name))
    settings = {"apptainer": {"gpu_option": vendor.options[0]}, "scheduler": "slurm"}
    site("site.json", {**settings, "job_parameters": {"class3d": {"nodes": 2, "nproc": 17}}})

    plan = plan_script(corpus_job("relion-5.0.1/Class3D_job010"), load_configuration())

    prefix = next(command.prefix for command in plan.commands if command.is_main)
    (passed,) = [word.planned for word in prefix if word.planned.startswith("--export=")]
    names = passed.removeprefix("--export=").split(",")
    assert {*vendor.variables, *vendor.settings} <= set(names)
    others = [other for name, other in VENDORS.items() if name != vendor.name]
    assert not {name for v in others for name in (*v.variables, *v.settings)} & set(names)


@every_vendor
def test_without_an_image_for_its_cards_a_job_is_refused(
    vendor: GpuVendor, site: WriteSite, images: Path, corpus_job: CorpusJob
) -> None:
    images.write_text(images.read_text().replace('"nvidia"', "null"))
    site("site.json", {"apptainer": {"gpu_option": vendor.options[0]}})

    with pytest.raises(ImageError, match=f"no variant for {vendor.title} GPUs"):
        plan_script(corpus_job("relion-5.0.1/Refine3D_job011"), load_configuration())


@every_vendor
def test_an_image_is_known_by_what_its_relion_says(vendor: GpuVendor) -> None:
    said = (
        "relion_refine\nmpirun\n== relion\nRELION version: 5.0.1 \n"
        f"Precision: BASE=double, {vendor.build}-ACC=single \n\n== mpi\nmpirun (Open MPI) 4.1.4\n"
    )

    assert read_answer(said, Path("x.sif"))[2] == vendor.name


def test_an_image_without_acceleration_is_for_no_cards() -> None:
    said = (
        "relion_refine\nmpirun\n== relion\nRELION version: 5.0.1 \n"
        "Precision: BASE=double, VECTOR-ACC=single \n\n== mpi\nmpirun (Open MPI) 4.1.4\n"
    )

    assert read_answer(said, Path("x.sif"))[2] is None


def test_a_catalogue_may_name_these_vendors_alone(site: WriteSite) -> None:
    build = {"variant": "x", "path": "x.sif", "gpu": "invidia"}
    path = site("images.json", {"relion": {"default": "5", "versions": {"5": [build]}}})

    with pytest.raises(
        ConfigError, match=r"versions\.5\.0\.gpu\": expected 'nvidia', 'amd'"
    ) as said:
        load_catalogue(path)
    assert all(f"'{name}'" in str(said.value) for name in VENDORS)

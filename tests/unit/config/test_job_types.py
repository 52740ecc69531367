"""The file of job types: what it may say, how mistakes are named, how types match and inherit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dispatcher.config.job_types import JobType, lineage, load_job_types, match, merged_parameters
from dispatcher.errors import ConfigError
from dispatcher.planning.rewrite import rewrite
from dispatcher.relion.command import parse_command

# A file in the FMI format, as a site would bring it: repeated comments, quotes within values.
CLASSIC = r"""{
  "__comment__": "Job types of our cluster",
  "__comment__": "first match wins",
  "submit": {
    "__comment__": "never matches",
    "match_command": "None",
    "relion_remove_parameter": ["j"],
    "job_parameters": {"__comment__": "cores", "nproc": 1, "nthread": 1, "submit_command": "sbatch"}
  },
  "gpu": {
    "inherits": "submit",
    "match_command": "None",
    "relion_remove_parameter": "gpu",
    "relion_add_parameter": {"gpu": "\"\"", "j": 6, "scratch_dir": "$TMPDIR"},
    "job_parameters": {"ngpu": 4, "nproc": 21, "pre_commands": ["module purge"]}
  },
  "refine": {
    "inherits": "gpu",
    "match_command": "relion_refine",
    "match_parameter": "auto_refine",
    "nomatch_parameter": ["multibody_masks"],
    "adjust_GPU_nproc_to_mem": [4, 32212254720],
    "job_parameters": {"partition": "gpu_long"}
  }
}
"""


def load(folder: Path, content: dict[str, Any] | str | bytes) -> dict[str, JobType]:
    path = folder / "dispatch_config.json"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return load_job_types(path).types


def mistake(folder: Path, content: dict[str, Any] | str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder, content)
    return str(caught.value).replace(f"{folder}/", "")


def first_match(types: dict[str, JobType], line: str, label: str | None = None) -> str | None:
    return match(types, parse_command(line), label)


def test_a_file_in_the_fmi_format_loads_unchanged(tmp_path: Path) -> None:
    types = load(tmp_path, CLASSIC)

    assert list(types) == ["submit", "gpu", "refine"]
    assert types["gpu"].relion_add_parameter["gpu"] == '""'
    assert types["gpu"].relion_remove_parameter == ["gpu"]
    assert types["refine"].match_command == ["relion_refine"]
    assert types["refine"].adjust_GPU_nproc_to_mem == (4, 32212254720)
    assert "__comment__" not in types["submit"].job_parameters


def test_it_loads_the_same_when_it_was_loaded_before(tmp_path: Path) -> None:
    assert load(tmp_path, CLASSIC) == load(tmp_path, CLASSIC)


def test_a_lineage_runs_from_the_base_to_the_leaf(tmp_path: Path) -> None:
    types = load(tmp_path, CLASSIC)

    assert lineage(types, "refine") == ("submit", "gpu", "refine")
    assert lineage(types, "submit") == ("submit",)


def test_parameters_of_a_lineage_merge_key_by_key(tmp_path: Path) -> None:
    types = load(tmp_path, CLASSIC)

    merged = merged_parameters([types[name] for name in lineage(types, "refine")])

    assert merged == {
        "nproc": 21,
        "nthread": 1,
        "submit_command": "sbatch",
        "ngpu": 4,
        "pre_commands": ["module purge"],
        "partition": "gpu_long",
    }


def test_parameters_are_removed_and_added_level_by_level(tmp_path: Path) -> None:
    types = load(tmp_path, CLASSIC)
    command = parse_command('relion_refine --j 4 --gpu "0:1" --auto_refine --ctf')

    changed = rewrite(command, [types[name] for name in lineage(types, "refine")])

    assert changed.argv == ["relion_refine", "--auto_refine", "--ctf", "--gpu", "", "--j", "6",
                            "--scratch_dir", "$TMPDIR"]  # fmt: skip
    assert changed.shell().endswith("--gpu '' --j 6 --scratch_dir ${TMPDIR}")


@pytest.mark.parametrize(
    ("value", "added"),
    [("", ["--x"]), (True, ["--x"]), ('""', ["--x", ""]), (0, ["--x", "0"]), (0.5, ["--x", "0.5"]),
     ("a 'b c'", ["--x", "a", "b c"]), ("-1", ["--x", "-1"])],
)  # fmt: skip
def test_an_added_value_is_shell_text(value: object, added: list[str], tmp_path: Path) -> None:
    types = load(tmp_path, {"a": {"relion_add_parameter": {"x": value}}})

    assert rewrite(parse_command("relion_a"), [types["a"]]).argv[1:] == added


def test_an_added_name_with_a_dash_is_used_as_written(tmp_path: Path) -> None:
    types = load(tmp_path, {"a": {"relion_add_parameter": {"-d": 0}}})

    assert rewrite(parse_command("relion_a -d 0,1 -o x"), [types["a"]]).argv == [
        "relion_a", "-o", "x", "-d", "0"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("job_type", "says"),
    [
        ({"match_comand": "x"}, 'key "match_comand": unknown key; did you mean "match_command"?'),
        ({"zzz": 1}, 'key "zzz": unknown key'),
        ({"match_command": 5}, 'key "match_command": expected a valid list, found 5'),
        ({"match_label": ["a", 5]}, 'key "match_label.1": expected a valid string, found 5'),
        ({"relion_remove_parameter": {"a": 1}}, 'key "relion_remove_parameter": expected'),
        ({"relion_add_parameter": "gpu"}, 'key "relion_add_parameter": expected a JSON object'),
        ({"relion_add_parameter": {"gpu": None}}, 'key "relion_add_parameter.gpu": expected'),
        ({"relion_add_parameter": {"x": '"'}}, 'key "relion_add_parameter.x": a " is not closed'),
        ({"job_parameters": [1]}, 'key "job_parameters": expected a JSON object {…}, found [1]'),
        ({"job_parameters": {"mem": {"a": 1}}}, 'key "job_parameters.mem": expected a valid bool'),
        ({"job_parameters": {"nproc": "9"}},
         'key "job_parameters.nproc": expected a whole number from 1 to 4096, found "9"'),
        ({"job_parameters": {"nproc": 0}}, "expected a whole number from 1 to 4096, found 0"),
        ({"job_parameters": {"nthread": True}}, "a whole number from 1 to 1024, found true"),
        ({"job_parameters": {"ngpu": -1}}, "expected a whole number from 0 to 128, found -1"),
        ({"adjust_GPU_nproc_to_mem": [4]}, 'key "adjust_GPU_nproc_to_mem.1" is missing'),
        ({"adjust_GPU_nproc_to_mem": [0, 5]}, "expected [number of GPUs, bytes per GPU]"),
        ({"adjust_GPU_nproc_to_mem": [4, "24G"]}, 'key "adjust_GPU_nproc_to_mem.1": expected'),
        ({"gpu_memory_model": "fm"}, "key \"gpu_memory_model\": expected 'relion' or 'fmi', found"),
        ({"image": 5}, 'key "image": expected a valid string, found 5'),
        ({"inherits": "sumbit"},
         'key "inherits": there is no job type "sumbit"; did you mean "submit"?'),
        ({"inherits": "refine"},
         'key "inherits": the job types inherit in a circle: refine → refine'),
    ],
    ids=lambda value: json.dumps(value)[:50] if isinstance(value, dict) else "",
)  # fmt: skip
def test_a_mistake_is_named_with_file_job_type_and_key(
    job_type: dict[str, Any], says: str, tmp_path: Path
) -> None:
    found = mistake(tmp_path, {"submit": {}, "refine": job_type})

    assert found.startswith('dispatch_config.json: job type "refine", ')
    assert says in found
    assert "\n" not in found


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    found = mistake(tmp_path, {"a": {"imagee": "x", "match_command": 5}, "b": {"nproc": 1}})

    assert [line.split(":")[1].strip() for line in found.splitlines()] == [
        'job type "a", key "match_command"',
        'job type "a", key "imagee"',
        'job type "b", key "nproc"',
    ]


def test_a_circle_is_shown_whole_even_to_a_type_outside_it(tmp_path: Path) -> None:
    found = mistake(
        tmp_path, {"x": {"inherits": "a"}, "a": {"inherits": "b"}, "b": {"inherits": "a"}}
    )

    assert found.endswith("the job types inherit in a circle: a → b → a")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "dispatch_config.json, line 1, column 2: not valid JSON"),
        ("", "dispatch_config.json, line 1, column 1: not valid JSON"),
        ('{"a": {},\n "b": }', "dispatch_config.json, line 2, column 7: not valid JSON"),
        ("[]", "expected a JSON object"),
        ('{"a": 5}', 'job type "a": expected a JSON object {…}, found 5'),
        (b'{"a": "\xff"}', "not a text file in UTF-8"),
        ('{"a": {}, "a": {}}', 'the key "a" is there twice'),
        ('{"a": {"inherits": "b", "inherits": "c"}}', 'the key "a.inherits" is there twice'),
        (
            '{"a": {"job_parameters": {"mem": 1, "mem": 2}}}',
            '"a.job_parameters.mem" is there twice',
        ),
    ],
)
def test_a_damaged_file_is_named(content: str | bytes, says: str, tmp_path: Path) -> None:
    assert says in mistake(tmp_path, content)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.json cannot be read"):
        load_job_types(tmp_path / "none.json")


def test_the_first_match_in_file_order_wins(tmp_path: Path) -> None:
    types = load(
        tmp_path,
        {
            "special": {"match_command": "relion_refine", "match_parameter": "skip_align"},
            "general": {"match_command": "relion_refine"},
            "never": {"match_command": "relion_refine"},
        },
    )

    assert first_match(types, "relion_refine --skip_align") == "special"
    assert first_match(types, "relion_refine") == "general"
    assert first_match(types, "relion_postprocess") is None


def test_mpi_and_folders_do_not_matter(tmp_path: Path) -> None:
    types = load(
        tmp_path,
        {
            "refine": {"match_command": "relion_refine"},
            "locres": {"match_command": "/opt/relion/relion_postprocess_mpi"},
        },
    )

    for line in ("relion_refine", "`which relion_refine_mpi` --o x", "/opt/bin/relion_refine_mpi"):
        assert first_match(types, line) == "refine"
    assert first_match(types, "relion_postprocess --locres") == "locres"
    assert first_match(types, "relion_refine_more") is None


def test_all_parameters_must_be_there_and_none_of_the_others(tmp_path: Path) -> None:
    types = load(tmp_path, {"a": {"match_command": "relion_refine", "match_parameter": ["K", "sym"],
                                  "nomatch_parameter": ["grad", "auto_refine"]}})  # fmt: skip

    assert first_match(types, "relion_refine --K 4 --sym C1") == "a"
    assert first_match(types, "relion_refine --sym=C1 --K 4 --gradient") == "a"
    assert first_match(types, "relion_refine --K 4") is None
    assert first_match(types, "relion_refine --K 4 --sym C1 --grad") is None


def test_values_are_not_taken_for_parameters(tmp_path: Path) -> None:
    types = load(tmp_path, {"a": {"match_command": "relion_refine", "match_parameter": "K"}})

    assert first_match(types, 'relion_refine --i K --other_args " --K 4 "') is None


def test_a_sub_command_counts_as_a_parameter(tmp_path: Path) -> None:
    types = load(tmp_path, {"hmm": {"match_command": "relion_python_modelangelo",
                                    "match_parameter": "hmm_search"}})  # fmt: skip

    assert first_match(types, "relion_python_modelangelo hmm_search -i x") == "hmm"
    assert first_match(types, "relion_python_modelangelo build -i hmm_search") is None


@pytest.mark.parametrize(
    ("label", "matches"),
    [("relion.refine3d", True), ("relion.refine3d.tomo", True), ("relion.multibody", True),
     ("relion.multibody.x", False), ("relion.class3d", False), (None, False)],
)  # fmt: skip
def test_one_of_the_labels_must_match(label: str | None, matches: bool, tmp_path: Path) -> None:
    types = load(tmp_path, {"a": {"match_label": ["relion.refine3d*", "relion.multibody"]}})

    assert (first_match(types, "/any/program", label) == "a") is matches


def test_a_label_does_not_replace_the_other_conditions(tmp_path: Path) -> None:
    types = load(tmp_path, {"a": {"match_command": "relion_refine",
                                  "match_label": "relion.refine3d"}})  # fmt: skip

    assert first_match(types, "relion_flex_analyse", "relion.refine3d") is None


@pytest.mark.parametrize(
    "base", [{"match_command": "None"}, {"match_command": ["None"]}, {}, {"nomatch_parameter": "x"}]
)
def test_a_base_type_takes_no_jobs(base: dict[str, Any], tmp_path: Path) -> None:
    types = load(tmp_path, {"base": base, "leaf": {"inherits": "base", "match_parameter": "o"}})

    assert not types["base"].matches_jobs
    assert first_match(types, "relion_refine") is None
    assert first_match(types, "relion_refine --o x") == "leaf"

"""A site whose scheduler is a stand-in with two partitions, and what trials find there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dispatcher.config.configuration import load_configuration
from dispatcher.site.trial_check import trial_problems

from ...fixture_types import WriteSite

__all__ = ["GPU", "SBATCH", "SINFO", "configure", "found", "refuse_also"]

SBATCH = """#!/bin/bash
echo "$*" >> "${0%/*}/asked"
for word; do # options end where the script begins, and some take the next word
    [ -n "$value" ] || case $word in
        --test-only) trial=1 ;;
        -d | -A | --dependency | --job-name) value=1 && continue ;;
        -*) ;;
        *) break ;;
    esac
    value=
done
[ -n "$trial" ] || { touch "${0%/*}/submitted"; exit 99; }
value() { sed -n "s/^#SBATCH --$1=//p" "$script" | tail -n 1; }
refuse() { echo "sbatch: error: $1" >&2; exit 1; }
script=${!#}
[ ! -e "${0%/*}/down" ] || refuse "Unable to contact slurm controller (connect failure)"
case $(value time) in *[!0-9:-]*) refuse "Invalid --time specification" ;; esac
[ "$(value qos)" = "" ] || [ "$(value qos)" = "$(value partition)" ] ||
    refuse "Invalid qos specification"
case $(value partition) in
    gpu | cpu | gpu,cpu | p[1-4]) ;;
    *) refuse "invalid partition specified" ;;
esac
ranks=$(value ntasks) threads=$(value cpus-per-task)
cores=$((${ranks:-1} * ${threads:-1}))
gpus=$(value gres)
[ "$cores" -le 64 ] || refuse "CPU count too large"
[ "${gpus#gpu:}" = "" ] || [ "${gpus#gpu:}" -le 4 ] || refuse "no node has so many GPUs"
echo "sbatch: Job 5 to start at 2026-11-28T18:30:34" >&2
"""
SINFO = """#!/bin/sh
echo 'cpux nodes are for members of the project only.'
echo 'partition=gpu nodes: 2, cores: 64'
[ "$SINFO_PARTITION" = gpu ] || echo 'partition=cpu nodes: 9, cores: 64'
echo 'partition=gpu nodes: 1, cores: 32'
for word; do [ "$word" != --all ] || echo 'partition=hidden nodes: 1'; done
"""
GPU = {"cores": 64, "gpus": 4, "gpu_memory": "24G"}


def configure(site: WriteSite, slurm: dict[str, Any] | None = None, **keys: Any) -> str:
    """Write a site whose jobs go to `gpu`; its site.json."""
    content = {
        "scheduler": "slurm",
        "schedulers": {"slurm": slurm or {}},
        "partitions": {"gpu": GPU},
        "job_parameters": {"submit": {"partition": "gpu"}},
    }
    return str(site("site.json", {**content, **keys}))


def refuse_also(scheduler: Path, line: str) -> None:
    """Give the stand-in one more reason to refuse."""
    text = (scheduler / "sbatch").read_text()
    (scheduler / "sbatch").write_text(text.replace("ranks=", f"{line}\nranks=", 1))


def found() -> list[str]:
    configuration = load_configuration()
    return list(trial_problems(configuration.site, configuration.job_types))

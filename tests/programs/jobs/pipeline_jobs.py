"""Jobs in RELION's pipeline and a stand-in for their queue, for ``status`` and its kin."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dispatcher.cli import main

TOKEN = "0123456789ab"
SCRIPT = "#!/bin/bash\nexit 64\noutfile: {job}/run.out\n----- commands -----\n"
HEADS = "\n# version 50001\n\ndata_pipeline_processes\n\nloop_ \n_rlnPipeLineProcessName #1 \n"
WORDS = "_rlnPipeLineProcessAlias #2 \n_rlnPipeLineProcessTypeLabel #3 \n"
WORDS += "_rlnPipeLineProcessStatusLabel #4 \n"
NUMBERS = WORDS.replace("Label", "")

AddJob = Callable[..., Path]


def status(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The rows that ``relion-dispatch status --json`` prints."""
    capsys.readouterr()
    assert main(["status", "--json"]) == 0
    return list(json.loads(capsys.readouterr().out))

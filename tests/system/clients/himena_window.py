"""Create a job in himena-relion's own window, which nobody sees: its button is pressed.

    PYTHON himena_window.py PROJECT SETTINGS OPTIONS    the last two are JSON

Runs in the Python that has himena-relion. SETTINGS are those of its page "RELION"; OPTIONS are
typed into the form of a MaskCreate job.
"""

# mypy: ignore-errors

import json
import sys
from pathlib import Path

from himena import new_window
from himena.profile import AppProfile

project, settings, options = Path(sys.argv[1]), *map(json.loads, sys.argv[2:])
AppProfile(name="relion", plugins=["himena_relion.relion5"]).save()
window = new_window("relion")
window.app_profile.update_plugin_config("himena-relion", **settings)

from himena_relion.relion5._builtins import MaskCreationJob  # noqa: E402 - it needs the window

scheduler = MaskCreationJob._show_scheduler_widget(window, options, cwd=project)
scheduler._exec_btn.click()

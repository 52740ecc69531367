"""Which text of RELION's window stands in which of the site's fields?

RELION knows these fields by their numbers alone. What the numbers meant in the window that the job
came from, the environment of whoever submits says: both were set when RELION was started.
"""

from __future__ import annotations

import re

from ..config.window import LABEL, read_field_names
from ..config.window_field import is_unset
from ..errors import InputError
from .job_request import JobRequest

__all__ = ["typed_texts"]


def typed_texts(request: JobRequest) -> tuple[dict[str, str], str]:
    """The texts of the fields by their names, and a sentence on those that nothing names: RELION
    was not started in our environment, so that its window has no such fields, or the site's own.

    Raises:
        InputError: other fields have taken the places of the site's.
    """
    names, labels, foreign = read_field_names(request.submitter.environment)
    found, nameless, misplaced = {}, [], []
    for key, text in request.extra_fields.items():
        number = int(re.sub(r"\D", "", key))
        if is_unset(text):
            continue
        if foreign and number <= len(names):
            label = (labels[number - 1] or "").rstrip(": ") or key
            misplaced.append(f'"{label}" {" ".join(text.split())[:40]!r}')
        elif number <= len(names) and names[number - 1]:
            found[names[number - 1]] = " ".join(text.split())
        else:
            nameless.append(f"{key}: {text}")
    if misplaced:
        raise InputError(
            f"{', '.join(misplaced)} in RELION's window: RELION was started with another site's "
            f"fields, as {LABEL}1 and the like were set after relion-dispatch was loaded. Load it "
            "last, start RELION anew, and submit the job again."
        )
    if not nameless:
        return found, ""
    return found, (
        f"{', '.join(nameless)} (job.star) is for the site's templates alone: nothing tells "
        "which field of RELION's window this is."
    )

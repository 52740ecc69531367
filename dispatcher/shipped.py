"""Where the files that come with the dispatcher lie, and the site's own folder.

In an installed wheel they are inside the package, in a checkout at its top level.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["shipped_folder", "site_folder"]


def shipped_folder() -> Path:
    """The folder that holds ``config/``, ``job_template/`` and ``deploy/`` as shipped."""
    package = Path(__file__).resolve().parent
    inside = package / "shipped"
    return inside if inside.is_dir() else package.parent


def site_folder() -> Path:
    """The site's own folder: ``$RELION_DISPATCH_SITE``, else ``/etc/relion-dispatch``."""
    return Path(os.environ.get("RELION_DISPATCH_SITE") or "/etc/relion-dispatch")

"""``relion-dispatch images default``: what new projects get."""

from __future__ import annotations

from .arguments import ImageName, ImageVersion

__all__ = ["default"]


def default(name: ImageName, version: ImageVersion) -> int:
    """Choose the version that new projects get. Pinned projects keep theirs."""
    from ...config.site import load_site
    from ...images.edit_catalogue import set_default
    from ...images.pinned_projects import pinned_projects

    before = set_default(name, version)
    if before == version:
        print(f"New projects already get {name} {version}.")
        return 0
    print(f"New projects get {name} {version}; it was {before}.")
    pinned = pinned_projects(load_site(), name, before)
    if pinned.projects:
        print(f"Known projects that stay pinned to {before}: {len(pinned.projects)}.")
    if pinned.unreadable:
        print(f"Known projects whose pins cannot be read: {len(pinned.unreadable)}.")
    return 0

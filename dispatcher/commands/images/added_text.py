"""What ``images add`` and ``images build`` print: what was recorded of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...config.site import Site
    from ...images.add import Added

__all__ = ["added_text"]


def added_text(added: Added, site: Site) -> str:
    """What was recorded, a line each, and a warning if the site's policy refuses the image."""
    listed, before = added
    build = listed.build
    mark = " (the default)" if listed.is_default else ""
    lines = [
        f"{listed}{mark}: {'updated' if before else 'added'}",
        f"file          {build.path}, {build.size} bytes, {build.architecture}",
        f"sha256        {build.sha256}",
        f"SIF id        {build.sif_id}",
        f"GPU           {build.gpu or 'none'}",
        f"partitions    {', '.join(build.partitions) or 'all'}",
        f"MPI           {build.mpi}",
        f"programs      {len(build.programs)}, relion_refine among them",
        f"signed by     {', '.join(build.signed_by) or 'nobody that Apptainer knows here'}",
    ]
    if before and before.resolve() != listed.path.resolve():
        there = "stays there" if before.exists() else "is no longer there"
        lines.insert(2, f"file before   {before}, which {there}")
    if build.weights:
        lines.append(f"weights       {build.weights}")
    if not build.is_signed(site.apptainer.signed_by):
        lines.append(
            "warning: jobs will be refused this image, because no key in site.json "
            '("apptainer.signed_by") has signed it: sign the file with `apptainer sign`, check '
            "that the public key is in your keyring (`apptainer key list`), and add the file again."
        )
    return "\n".join(lines)

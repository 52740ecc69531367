"""``relion-dispatch check``: is the site in order?"""

from __future__ import annotations

__all__ = ["check"]


def check() -> int:
    """Check the site's configuration, images and templates.

    Plans a sample job of every type, lets bash read its script, and asks the scheduler, which is
    given nothing to run, whether it would take such jobs. The first line names the site's folder.
    The exit status is 1 if something is wrong. A line that begins with "remark:" may be right on
    other machines, or be meant so. Modes that earlier versions left on your files in the site, and
    in projects, are mended.
    """
    from ..site.check import problems, read_folder, remarks
    from ..site.mode_check import look_at_modes

    print(read_folder())
    modes = look_at_modes()
    found = [*problems(), *modes.problems]
    for problem in found:
        print(problem)
    for sentence in modes.mended:
        print(f"mended: {sentence}")
    for remark in (*modes.remarks, *remarks()):
        print(f"remark: {remark}")
    if not found:
        print("Everything is in order.")
    return 1 if found else 0

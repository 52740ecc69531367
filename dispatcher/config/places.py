"""The paths of the files that come with the dispatcher, and of the site's own folder.

In an installed wheel they are inside the package, in a checkout at its top level.
"""

from __future__ import annotations

import functools
import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path

from ..errors import ConfigError

__all__ = [
    "changed_in",
    "code_digest",
    "config_path",
    "files_in",
    "has_dialect",
    "has_shipped_templates",
    "has_template",
    "own_path",
    "scheduler_folders",
    "shipped_folder",
    "site_folder",
    "submission_template",
    "template_folders",
]


@functools.cache
def shipped_folder() -> Path:
    """The folder that holds ``config/``, ``job_template/`` and ``deploy/`` as shipped."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "shipped"
    return inside if inside.is_dir() else package.parent


def site_folder() -> Path:
    """The site's own folder: ``$RELION_DISPATCH_SITE``, else ``/etc/relion-dispatch``.

    Absolute, for paths of it go into job scripts.
    """
    return Path(os.environ.get("RELION_DISPATCH_SITE") or "/etc/relion-dispatch").absolute()


def submission_template() -> str:
    """The path of the template that RELION is to be given (RELION_QSUB_TEMPLATE).

    An installation names its copy in RELION_DISPATCH_TEMPLATE, whose path stays when it is
    upgraded; a session names the one that RELION sees in its container.
    """
    installed = os.environ.get("RELION_DISPATCH_TEMPLATE")
    return installed or str(shipped_folder() / "job_template" / "relion_template.sh")


def own_path(name: str, folder: bool = False) -> Path | None:
    """The site's own file (or `folder`) of that name, None if it has none.

    Raises:
        ConfigError: something of that name is not a file (or `folder`), or cannot be read,
            and the shipped one must not quietly take its place.
    """
    path = site_folder() / name
    wanted = "folder" if folder else "file"
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):  # such as a name with a zero byte
        if not path.is_symlink():
            return None
        why = f"is a link to {path.readlink()}, which does not exist"
    except OSError as error:
        why = f"cannot be read ({error.strerror})"
    else:
        if stat.S_ISDIR(mode) if folder else stat.S_ISREG(mode):
            return path
        why = f"is no {wanted}"
    raise ConfigError(
        f"{path} {why}: put the right file or folder there, or remove it to use the shipped one."
    )


def config_path(name: str) -> Path:
    """The site's own file of that name if there is one, else the shipped one.

    Raises:
        ConfigError: something that is not a file has that name.
    """
    return own_path(name) or shipped_folder() / "config" / name


def changed_in(name: str) -> str:
    """Where an admin changes what the file of that name says: in the site's own, in words.

    Never in the shipped one, which goes with each upgrade, and may be inside of an image. What the
    site says is laid upon the shipped ``site.json`` and ``endings.json``; another file is replaced
    as a whole, so that the site's own begins as a copy.
    """
    own = site_folder() / name
    if os.path.lexists(own) or name in ("site.json", "endings.json", "images.json"):
        return str(own)
    shipped = f"of {shipped_folder() / 'config' / name}"
    from ..host.programs import in_appliance  # seldom needed

    if in_appliance():
        shipped = "of the shipped one, which `relion-dispatch site export` writes"
    return f"{own} (begin with a copy {shipped})"


def template_folders() -> list[Path]:
    """The folders of templates: the site's if it has one, then the shipped one.

    Raises:
        ConfigError: the site's is no folder.
    """
    own = own_path("job_template", folder=True)
    return [*([own] if own else []), shipped_folder() / "job_template"]


def has_template(name: str) -> bool:
    """Whether the site's folder of templates, or the shipped one, has a file of that name.

    Raises:
        ConfigError: something else lies in the place of the site's.
    """
    with suppress(OSError):  # a name that is too long for any file
        if (shipped_folder() / "job_template" / name).is_file():
            return True
    return own_path(f"job_template/{name}") is not None


def has_shipped_templates(scheduler: str) -> bool:
    """Whether a folder of templates for a scheduler of that name comes with the dispatcher."""
    folder = shipped_folder() / "job_template" / "schedulers" / scheduler
    with suppress(OSError):  # a name that is too long for any file
        return scheduler.isidentifier() and folder.is_dir()
    return False


def scheduler_folders() -> list[Path]:
    """The folders of schedulers' files: the shipped one, then the site's if it has one.

    Raises:
        ConfigError: the site's is no folder.
    """
    own = own_path("schedulers", folder=True)
    return [shipped_folder() / "config" / "schedulers", *([own] if own else [])]


def files_in(folder: Path, *endings: str, below: bool = False) -> list[Path]:
    """The files of a site's folder whose names end so, sorted; with those of its subfolders if
    `below`. None if there is no such folder.

    Names that begin with a dot are left out: editors and copying leave such files behind.

    Raises:
        ConfigError: a folder or a file of such a name cannot be read.
    """
    found = []
    path = folder
    try:
        for path in sorted(folder.iterdir()):
            if path.name.startswith("."):
                continue
            if below and path.is_dir() and not _leads_back(path):
                found += files_in(path, *endings, below=True)
            elif path.name.endswith(endings) and stat.S_ISREG(path.stat().st_mode):
                found.append(path)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and path is folder and not folder.is_symlink():
            return []
        raise ConfigError(
            f"{path} cannot be read ({error.strerror}): let all users read {path.name}, or remove "
            f"{path.name}."
        ) from error
    return found


def _leads_back(path: Path) -> bool:
    """Whether it is a link to a folder that has it in itself."""
    return path.is_symlink() and path.parent.resolve().is_relative_to(path.resolve())


def has_dialect(name: str) -> bool:
    """Whether a scheduler's answers are read by a module of their own, of that name."""
    folder = Path(__file__).parents[1] / "scheduler" / "dialects"
    return name.isidentifier() and (folder / f"{name}.py").is_file()


@functools.cache
def code_digest() -> str:
    """The digest of the dispatcher's own Python files, by name and content."""
    package = str(Path(__file__).resolve().parents[1])
    digest = hashlib.sha256()
    # Each hook needs the digest: pathlib would take twice the time for a hundred files and more.
    files = (f"{folder}/{name}" for folder, _, names in os.walk(package) for name in names)
    for file in sorted(file for file in files if file.endswith(".py")):
        with open(file, "rb") as stream:
            content = hashlib.sha256(stream.read()).hexdigest()
        digest.update(f"{file.removeprefix(package)} {content}\n".encode())
    return digest.hexdigest()

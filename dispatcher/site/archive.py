"""The archive that a site is exported to: a tar of its files, with the list of their digests.

Everything is in one folder, ``relion-dispatch-site/``:

    site/…, shipped/…    the site's own files, and those that came with the dispatcher
    definitions/….def    the definition of each image, named by the image's sha256
    MANIFEST             for ``sha256sum --check``: the digests of these files; in comments, the
                         versions there, and the digests of the images, which are not in the archive

``tarfile`` unpacks nothing here, because not every Python 3.11 has its filter ``data``: the archive
is read into memory, and only names that a site's own files may have are taken out of it.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import tarfile
import time
from collections.abc import Mapping, Set
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from ..errors import ConfigError, InputError
from ..host.shared_files import NotAFile, opened_input

__all__ = ["LARGEST", "OWN_FILES", "OWN_FOLDERS", "SiteArchive", "StoredFile", "pack", "read"]

# What a site's own folder may have; all else stays out of an archive, and is not written from one.
OWN_FILES = ("site.json", "dispatch_config.json", "images.json", "endings.json")
OWN_FOLDERS = ("schedulers", "job_template", "containers")
LARGEST = 256 << 20  # bytes of all files together: they are held in memory
MOST = 10_000  # files; a site has some dozens
_PACKED = LARGEST + MOST * 4096  # bytes of an archive of such files

_TOP, _MANIFEST = "relion-dispatch-site/", "MANIFEST"
_FORMAT = "# relion-dispatch site, format 2"
_FORMAT_OF_0_1_0 = b'"format": "relion-dispatch site, format 1"'  # one JSON file
_NAME = re.compile(  # no file is hidden, so there is no ".." either
    rf"MANIFEST|site/({'|'.join(map(re.escape, OWN_FILES))})"
    rf"|(site/({'|'.join(OWN_FOLDERS)})|shipped|definitions)(/[^/.][^/]*)+"
)


class StoredFile(NamedTuple):
    """A file's bytes, and whether it may be run."""

    content: bytes
    executable: bool = False


class SiteArchive(NamedTuple):
    """A site as exported.

    `values` are versions and the digests of images by what they are of, empty if not known;
    `files` stand by their paths in the archive ("site/images.json").
    """

    values: Mapping[str, str]
    files: Mapping[str, StoredFile]


def pack(site: SiteArchive) -> bytes:
    """The archive.

    Raises:
        InputError: a list of digests cannot contain a file's name, or the files are too large.
    """
    if odd := [name for name in site.files if not _is_plain(name)]:
        raise InputError(
            f"The file {odd[0]!r} cannot be exported, because its name has a backslash or a "
            "character that cannot be printed: rename the file."
        )
    if sum(len(file.content) for file in site.files.values()) > LARGEST:
        largest = max(site.files, key=lambda name: len(site.files[name].content))
        raise InputError(
            f"The site cannot be exported, because its files have more than {LARGEST >> 20} MiB "
            f"together: move the largest file, {largest}, out of the site's folder."
        )
    lines = [f"{_FORMAT}. To compare the files: sha256sum --check {_MANIFEST}"]
    lines += [f"# {what}: {value}" for what, value in site.values.items()]
    lines += [f"{digest}  {name}" for name, digest in _digests(site.files).items()]
    manifest = StoredFile("".join(f"{line}\n" for line in lines).encode())
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, file in {_MANIFEST: manifest, **site.files}.items():
            member = tarfile.TarInfo(_TOP + name)
            member.size, member.mtime = len(file.content), int(time.time())
            member.mode = 0o755 if file.executable else 0o644
            tar.addfile(member, io.BytesIO(file.content))
    return packed.getvalue()


def read(path: Path) -> SiteArchive:
    """Read an exported site.

    Raises:
        ConfigError: the file cannot be read, is no export, has something in it that no export
            has, or was changed since: each file must have the digest that is listed.
    """
    try:
        files = _members(path)
    except NotAFile:
        files = {}
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror}): name a file that you may read."
        ) from error
    except (tarfile.TarError, ArithmeticError, EOFError, LookupError, RuntimeError, ValueError):
        files = {}  # headers of all kinds, and in each other to any depth
    manifest = files.pop(_MANIFEST, StoredFile(b"")).content.decode(errors="replace")
    if not manifest.startswith(_FORMAT):
        raise _no_export(path)
    listed = {name: digest for digest, name in re.findall("(?m)^([0-9a-f]{64})  (.*)$", manifest)}
    if changed := sorted(name for name, _ in listed.items() ^ _digests(files).items()):
        raise ConfigError(
            f"{path}: {changed[0]} is not the file that {_MANIFEST} lists, so it was changed or "
            "damaged: export the site again, and change files only after the import."
        )
    return SiteArchive(dict(re.findall(r"(?m)^# (.*): (\S*)$", manifest)), files)


def _members(path: Path) -> dict[str, StoredFile]:
    files: dict[str, StoredFile] = {}
    folders: set[str] = set()
    free = LARGEST
    with opened_input(path) as stream, tarfile.open(fileobj=_bounded(stream), mode="r:") as tar:
        for number, member in enumerate(tar):
            name = str(PurePosixPath(member.name)).removeprefix(_TOP)
            if member.isdir() and number <= MOST:
                continue
            is_plain = member.isreg() and not member.issparse() and 0 <= member.size <= free
            if not (is_plain and number <= MOST and _may_be(name, files, folders)):
                raise ConfigError(
                    f"{path} cannot be read as an export, for {member.name!r} in it has a name, "
                    "kind or size that no file of an export has: export the site again."
                )
            free -= member.size
            folders |= _parents(name)
            file = tar.extractfile(member)
            content = file.read() if file else b""
            files[name] = StoredFile(content, bool(member.mode & 0o100))
    return files


def _bounded(stream: BinaryIO) -> BinaryIO:
    """The archive, unless it is too long: a header may announce any length for itself."""
    if os.fstat(stream.fileno()).st_size > _PACKED:
        raise OSError(errno.EFBIG, f"it is longer than {_PACKED >> 20} MiB")
    return stream


def _may_be(name: str, files: Mapping[str, StoredFile], folders: Set[str]) -> bool:
    """Whether an archive with these files, in these folders, may also have a file of this name."""
    is_taken = name in folders or files.keys() & {name, *_parents(name)}
    return bool(_NAME.fullmatch(name) and _is_plain(name) and not is_taken)


def _parents(name: str) -> set[str]:
    return {str(folder) for folder in PurePosixPath(name).parents}


def _is_plain(name: str) -> bool:
    return name.isprintable() and "\\" not in name


def _digests(files: Mapping[str, StoredFile]) -> dict[str, str]:
    return {name: hashlib.sha256(file.content).hexdigest() for name, file in files.items()}


def _no_export(path: Path) -> ConfigError:
    start = b""
    with suppress(OSError), opened_input(path) as stream:
        start = stream.read(100)
    if _FORMAT_OF_0_1_0 in start:
        return ConfigError(
            f"{path} is an export of version 0.1.0, which this version cannot read: export the "
            "site again with this version; if that site no longer exists, install 0.1.0 with "
            "--from FILE, and then install this version in the same folder."
        )
    return ConfigError(
        f"{path} is not an export of a site that this version can read: name a file that "
        "`relion-dispatch site export` wrote."
    )

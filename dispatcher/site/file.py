"""The file that a site is exported to: one JSON object that people can read and tools can compare.

Texts stand in it line by line, so that a changed line is one changed line of the file. Joined with
line feeds they give the text back byte for byte: a last line that is empty stands for the text's
final line feed, and a carriage return is kept at its line's end. A file of ``containers/`` that is
no text, such as a tarball that a definition copies, stands there in base64.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from dataclasses import field
from pathlib import Path, PurePosixPath

from ..config.json_files import load, read_json, strict
from ..errors import ConfigError, InputError

__all__ = ["FORMAT", "ExportedImage", "ExportedText", "Recipe", "SiteFile", "as_text", "read"]

FORMAT = "relion-dispatch site, format 1"


@strict
class ExportedText:
    """A text file of the site or of the dispatcher.

    Attributes:
        path: relative to the site's folder, or to the folder of the shipped files.
        sha256: of its bytes.
        executable: whether it may be run.
        text: its lines.
        base64: whether these are its bytes in base64, for it is no text.
    """

    path: str
    sha256: str
    executable: bool = False
    text: list[str]
    base64: bool = False

    @classmethod
    def of(cls, path: str, file: Path) -> ExportedText:
        """The text in `file`, to be known as `path`.

        Raises:
            InputError: it cannot be read, or is no text in UTF-8 where only texts have a meaning.
        """
        try:
            raw = file.read_bytes()
            executable = bool(file.stat().st_mode & 0o100)
        except OSError as error:
            raise InputError(f"{file} cannot be read ({error.strerror}): mend it.") from error
        digest = hashlib.sha256(raw).hexdigest()
        try:
            lines, binary = raw.decode().split("\n"), False
        except UnicodeDecodeError as error:
            if not path.startswith("containers/"):
                raise InputError(
                    f"{file} is not a text in UTF-8 (byte {error.start}), as configuration and "
                    "templates must be: convert it, or move it out of the site's folder."
                ) from error
            lines, binary = base64.encodebytes(raw).decode().split("\n"), True
        return cls(path=path, sha256=digest, executable=executable, text=lines, base64=binary)

    @property
    def raw(self) -> bytes:
        """The file's bytes.

        Raises:
            ValueError: it should be base64, and is none.
        """
        text = "\n".join(self.text)
        return base64.b64decode(text) if self.base64 else text.encode(errors="surrogatepass")


@strict
class Recipe:
    """How ``relion-dispatch images build`` would make an image: definition file and arguments."""

    definition: str
    arguments: dict[str, str] = field(default_factory=dict)


@strict
class ExportedImage:
    """One build of the catalogue, and what its file says about itself.

    Attributes:
        name, version, variant: as in the catalogue.
        path: as in the catalogue; relative paths start at the site's folder.
        sha256, size, sif_id: the file's digest, its size in bytes, and the SIF's id; None where
            the exporting site did not have them.
        labels: the image's.
        definition: the lines of the definition that it was built from, as the SIF keeps them.
        recipe: the recipe for this name, version and variant, if the site knows one.
        weights: the folder of network weights as in the catalogue, and the digests of its files.
        problem: why something of this is not known.
    """

    name: str
    version: str
    variant: str
    path: str
    sha256: str | None = None
    size: int | None = None
    sif_id: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    definition: list[str] | None = None
    recipe: Recipe | None = None
    weights: str | None = None
    weight_files: dict[str, str] = field(default_factory=dict)
    problem: str | None = None

    def __str__(self) -> str:
        """``relion 5.1.0 (cpu)``."""
        return f"{self.name} {self.version} ({self.variant})"


@strict
class SiteFile:
    """A site as exported.

    Attributes:
        format: of this file.
        exported: the time, UTC.
        folder: the site's folder there.
        dispatcher: its version.
        code: the digest of the dispatcher's Python code.
        apptainer: its version, None where there was none.
        site: the site's own files.
        shipped: the files that come with the dispatcher.
        images: every build of the catalogue.
    """

    format: str
    exported: str
    folder: str
    dispatcher: str
    code: str
    apptainer: str | None
    site: list[ExportedText]
    shipped: list[ExportedText]
    images: list[ExportedImage]

    def own(self, path: str) -> ExportedText | None:
        """The site's own file of that path, None where the site has none."""
        return next((each for each in self.site if each.path == path), None)


def as_text(site: SiteFile) -> str:
    """The file's text."""
    return json.dumps(dataclasses.asdict(site), indent=2, ensure_ascii=False) + "\n"


def read(path: Path) -> SiteFile:
    """Read an exported site.

    Raises:
        ConfigError: the file cannot be read, is no export, or was changed since: each text must
            have the digest that stands beside it, and a path below the site's folder.
    """
    content = read_json(path)
    if content.get("format") != FORMAT:
        raise ConfigError(
            f"{path} is no export of a site that this version reads (its format is not "
            f'"{FORMAT}"): name a file that `relion-dispatch site export` wrote.'
        )
    site = load(SiteFile, content, str(path), lambda steps: f'key "{".".join(steps)}"')
    for each in (*site.site, *site.shipped):
        try:
            digest = hashlib.sha256(each.raw).hexdigest()
        except ValueError as error:
            digest = f"none ({error})"
        if digest != each.sha256:
            raise ConfigError(
                f'{path}: the text "{each.path}" was changed or damaged: its sha256 is {digest}, '
                f"not {each.sha256}; export the site again, and change its files once installed."
            )
        parts = PurePosixPath(each.path)
        if parts.is_absolute() or ".." in parts.parts or not parts.name:
            raise ConfigError(f'{path}: "{each.path}" is no path below the site\'s folder.')
    return site

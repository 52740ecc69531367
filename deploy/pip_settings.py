"""pip's way to its index, as a configuration file for another place.

    python -m pip config list | pip_settings.py FOLDER

Prints a pip.conf with those of pip's settings that lead to its index. Addresses of local files are
left out, as they mean nothing elsewhere. FOLDER/ca.crt, where it is there, is named as the bundle
of certificates to trust. `pip_settings.py --certificates` prints where that bundle is on this
machine, pip's own setting or else the system's, or an empty line.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

# As pip itself ranks them: the last one counts.
SECTIONS = ("global", "install", ":env:")
NAMES = ("index-url", "extra-index-url", "proxy", "trusted-host")
BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")


def settings(listed: str) -> dict[str, str]:
    """Return pip's settings by name, from what `pip config list` prints."""
    found: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.partition(".")
        if section in found:
            found[section][name] = str(ast.literal_eval(value))
    return {name: value for section in SECTIONS for name, value in found[section].items()}


def certificates(listed: str) -> str:
    """Return the path of the certificates to trust, empty where pip has none but its own."""
    named = settings(listed).get("cert")
    return next((path for path in [named, *BUNDLES] if path and Path(path).is_file()), "")


def configuration(listed: str, folder: str) -> str:
    """Return the pip.conf for a place where the bundle, if there is one, lies in `folder`."""
    lines = ["[global]"]
    for name in NAMES:
        words = settings(listed).get(name, "").split()
        # An address of several lines is one of several words in one line as well.
        if kept := " ".join(word for word in words if not word.startswith(("file:", "/"))):
            lines.append(f"{name} = {kept}")
    if (Path(folder) / "ca.crt").is_file():
        lines.append(f"cert = {folder}/ca.crt")
    return "\n".join(lines)


if __name__ == "__main__":
    text = sys.stdin.read()
    wanted = sys.argv[1]
    print(certificates(text) if wanted == "--certificates" else configuration(text, wanted))

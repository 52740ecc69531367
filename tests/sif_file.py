"""A file with a real SIF header and nothing to run: for tests that never start the image."""

from __future__ import annotations

import struct
import uuid
from pathlib import Path

__all__ = ["write_sif"]


def write_sif(
    path: Path,
    content: bytes = b"a file system",
    architecture: bytes = b"02",
    sif_id: uuid.UUID | None = None,
) -> str:
    """Write the file; returns its SIF id, by the file's name where none is given.

    Architecture codes: "02" amd64, "04" arm64.
    """
    sif_id = sif_id or uuid.uuid5(uuid.NAMESPACE_URL, path.name)
    header = struct.pack(
        "<32s10s3s3s16s8q",
        b"#!/usr/bin/env run-singularity\n",
        b"SIF_MAGIC",
        b"01",
        architecture,
        sif_id.bytes,
        *(0, 0, 0, 0, 128, 0, 128, len(content)),
    )
    path.write_bytes(header + content)
    return sif_id.hex

"""The few calls of NVIDIA's driver that tell what memory costs: libcuda by ctypes, without CUDA's
toolkit.

Names and values are those of the CUDA driver API, which the driver keeps stable.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint, c_void_p

from ..errors import GpuError

__all__ = ["LIBRARY", "Context"]

LIBRARY = "libcuda.so.1"
FLOAT = 0x20  # CU_AD_FORMAT_FLOAT


class _Array3D(ctypes.Structure):
    """CUDA_ARRAY3D_DESCRIPTOR."""

    _fields_ = (
        ("Width", c_size_t),
        ("Height", c_size_t),
        ("Depth", c_size_t),
        ("Format", c_int),
        ("NumChannels", c_uint),
        ("Flags", c_uint),
    )


class Context:
    """A CUDA context of this process on one GPU, which ends with the process."""

    def __init__(self, device: int = 0, library: str = LIBRARY) -> None:
        """Make a context on the GPU with the index ``device``.

        Raises:
            GpuError: there is no driver, no such GPU, or the driver refuses.
        """
        try:
            self._cuda = ctypes.CDLL(library)
        except OSError as error:
            raise GpuError(
                f"There is no NVIDIA driver on {os.uname().nodename} ({error}): run this on a node "
                "with a GPU, e.g. in a job that asks for one."
            ) from error
        self._call("cuInit", c_uint(0))
        count = c_int()
        self._call("cuDeviceGetCount", byref(count))
        if not 0 <= device < count.value:
            raise GpuError(
                f"There is no GPU {device} on {os.uname().nodename}; the driver sees "
                f"{count.value}: choose another GPU with --device, or check CUDA_VISIBLE_DEVICES."
            )
        handle, context = c_int(), c_void_p()
        self._call("cuDeviceGet", byref(handle), c_int(device))
        name = ctypes.create_string_buffer(200)
        self._call("cuDeviceGetName", name, c_int(len(name)), handle)
        self.name = name.value.decode(errors="replace")
        self._call("cuCtxCreate_v2", byref(context), c_uint(0), handle)

    def memory(self) -> tuple[int, int]:
        """Free and total bytes of the GPU, as RELION sees them."""
        free, total = c_size_t(), c_size_t()
        self._call("cuMemGetInfo_v2", byref(free), byref(total))
        return free.value, total.value

    def texture_bytes(self, columns: int, rows: int, sections: int) -> int:
        """Bytes that a 3D texture of single-precision values takes from the free memory."""
        before, _ = self.memory()
        described = _Array3D(columns, rows, sections, FLOAT, 1, 0)
        array = c_void_p()
        self._call("cuArray3DCreate_v2", byref(array), byref(described))
        after, _ = self.memory()
        self._call("cuArrayDestroy", array)
        return before - after

    def pitch(self, row: int) -> int:
        """Bytes from one row of a 2D texture to the next, for rows of ``row`` bytes."""
        pointer, pitch = c_void_p(), c_size_t()
        self._call(
            "cuMemAllocPitch_v2",
            byref(pointer),
            byref(pitch),
            c_size_t(row),
            c_size_t(8),
            c_uint(4),
        )
        return pitch.value

    def buffer_bytes(self, size: int) -> int:
        """Bytes that a buffer of ``size`` bytes takes from the free memory; the buffer stays."""
        before, _ = self.memory()
        self._call("cuMemAlloc_v2", byref(c_void_p()), c_size_t(size))
        return before - self.memory()[0]

    def _call(self, function: str, *arguments: object) -> None:
        status = int(getattr(self._cuda, function)(*arguments))
        if status:
            text = c_char_p()
            if hasattr(self._cuda, "cuGetErrorString"):
                self._cuda.cuGetErrorString(c_int(status), byref(text))
            what = (text.value or b"").decode(errors="replace") or "no description"
            raise GpuError(
                f"The NVIDIA driver on {os.uname().nodename} answers {function} with error "
                f"{status} ({what}): check that nvidia-smi works in the same job, and try again."
            )

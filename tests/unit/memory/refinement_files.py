"""Files of refinements, and their options."""

import shlex
import struct

OPTICS = """
# version 50001

data_optics

loop_
_rlnOpticsGroupName #1
_rlnOpticsGroup #2
_rlnImagePixelSize #3
_rlnImageSize #4
_rlnImageDimensionality #5
opticsGroup1            1     1.244000          {box}            {dimensions}
opticsGroup2            2     0.885000          512            {dimensions}

"""
PARTICLES = """
data_particles

loop_
_rlnImageName #1
_rlnOpticsGroup #2
000001@Extract/job006/a.mrcs            2
000002@Extract/job006/a.mrcs            1
"""
OLD_PARTICLES = """
data_images

loop_
_rlnVoltage #1
_rlnImageName #2
  300.000000 000007@Extract/job006/a.mrcs
"""
OPTIMISER = """
data_optimiser_general

_rlnOutputRootName                                       Refine3D/job011/run
_rlnModelStarFile                                        Refine3D/job011/run_it012_half1_model.star
_rlnModelStarFile2                                       Refine3D/job011/run_it012_half2_model.star
_rlnDoSplitRandomHalves                                             {split}
_rlnDoGradientRefine                                                {gradient}
_rlnDoAutoRefine                                                    {auto}
_rlnDoZeroMask                                                      {zero_mask}
"""
MODEL = """
data_model_general

_rlnReferenceDimensionality                                         3
_rlnDataDimensionality                                              2
_rlnOriginalImageSize                                             360
_rlnCurrentImageSize                                               84
_rlnPaddingFactor                                            2.000000
_rlnNrClasses                                                       {classes}
_rlnNrBodies                                                        {bodies}
"""
BODIES = """
data_

loop_
_rlnBodyMaskName
_rlnBodyRotateRelativeTo
_rlnBodySigmaAngles
_rlnBodySigmaOffset
large_body_mask.mrc 2 10 2
small_body_mask.mrc 1 10 2
head_mask.mrc 2 10 2
"""


class Words(list[str]):
    """The options of a command line as RELION's parser sees them."""

    def __contains__(self, name: object) -> bool:
        return f"--{name}" in iter(self)

    def value(self, name: str) -> str | None:
        found = ""
        for word, following in zip(self, [*self[1:], ""], strict=True):
            if word == f"--{name}":
                found = "" if following.startswith("--") else following
        return found


def options(line: str) -> Words:
    return Words(shlex.split(line.replace("`", "")))


def mrc(nx: int, nz: int) -> bytes:
    return struct.pack("<4i", nx, nx, nz, 2).ljust(1024, b"\0")

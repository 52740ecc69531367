"""Every error that a user may see: one sentence that says what, where and what to do next.

All derive from :class:`DispatchError`; the hook turns any of them into a refusal (a line in
run.err, RELION's exit file, a non-zero status), the other commands print it.
"""

from .printable import printable

__all__ = [
    "BoxUnknown",
    "ConfigError",
    "DispatchError",
    "DoesNotFit",
    "GpuError",
    "ImageError",
    "InputError",
    "NeedsGpus",
    "NotInCatalogue",
    "OtherTemplate",
    "SubmitError",
    "TemplateError",
    "WriteError",
]


class DispatchError(Exception):
    """A sentence for the user; the base of all errors that the dispatcher raises on purpose.

    Several sentences are a line each. Text of others in them acts on no terminal.
    """

    def __init__(self, *sentences: str) -> None:
        super().__init__("\n".join(map(printable, sentences)))


class InputError(DispatchError):
    """What RELION, or the user of a command, has given is missing, damaged or not possible."""


class OtherTemplate(InputError):
    """RELION wrote a submission script from a template that is not ours."""


class BoxUnknown(InputError):
    """A refinement's box size is in no file that can be read here, though RELION may read one."""


class ConfigError(DispatchError):
    """A configuration file is wrong; the admin must correct it."""


class DoesNotFit(DispatchError):
    """The job needs more memory, on its GPUs or on the host, than its partition has."""


class NeedsGpus(DoesNotFit):
    """The job's program runs on GPUs alone, and its partition has none."""


class GpuError(DispatchError):
    """There is no GPU that could be measured here, or the measurement went wrong."""


class ImageError(DispatchError):
    """A container image is missing, wrong or unsuitable, or Apptainer cannot use the image."""


class NotInCatalogue(ImageError):
    """The site's catalogue does not have an image, version or variant that was named."""


class TemplateError(DispatchError):
    """A job template cannot be rendered."""


class SubmitError(DispatchError):
    """The scheduler did not take the job, or did not say that it did."""


class WriteError(DispatchError):
    """A file of the project, the site or the user cannot be written or locked."""

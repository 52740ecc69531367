"""What each scheduler tells of its cluster: a module for each scheduler, found by its name.

``survey(ask)`` asks by ``ask(argv)``, which gives a command's output, or None if the command is
not there, failed, or did not end in time. It returns a value
:class:`~dispatcher.scheduler.surveyed.Surveyed`, or None if this scheduler does not answer.
A module whose name begins with ``_`` is a part of another.
"""

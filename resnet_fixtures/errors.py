"""The errors that the suite tells its user, each in one sentence."""

from __future__ import annotations

REFUSED = 4  # the exit status of all that the suite refuses: pytest's own for a usage error


class InputError(Exception):
    """Something that the user gave cannot be used: an option, a path, a graph, a data set.

    The message is one sentence that names the thing and the cure. The shell ends the run with REFUSED.
    """


class DataError(InputError):
    """A record or an image of the data set is broken; the message names file and record."""


class RunError(RuntimeError):
    """Something broke that was sound when the run began, a process for example; it fails the test that needs it.

    The message is one sentence that names the thing.
    """

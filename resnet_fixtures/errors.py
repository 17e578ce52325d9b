"""The errors that the suite tells its user, each one sentence with the cure."""

from __future__ import annotations


class InputError(Exception):
    """Something that the user gave cannot be used: an option, a path, a graph, a data set.

    The message is one sentence that names the thing and the cure. The shell ends the run with exit status 4.
    """


class DataError(InputError):
    """A record or an image of the data set is broken; the message names file and record."""

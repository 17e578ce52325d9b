"""What the ranks of a training tell each other: means, totals, texts and decisions."""

from __future__ import annotations

import os
import socket
import sys
import traceback
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from resnet_fixtures.errors import REFUSED, InputError
from resnet_fixtures.training.events import Refused, format_event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

RANKS_VARIABLE = "OMPI_COMM_WORLD_SIZE"  # set by Open MPI's mpirun, in version 4 and in version 5
ERROR_STATUS = 1


class Communicator(Protocol):
    """One rank among others; every method but the properties waits until all ranks have called it."""

    @property
    def rank(self) -> int:
        """Return this rank's number, from 0."""

    @property
    def size(self) -> int:
        """Count the ranks."""

    @property
    def name(self) -> str:
        """Name the host."""

    def mean(self, flat: np.ndarray) -> np.ndarray:
        """Average a float32 vector over the ranks; each gets the same bits.

        The answer is only good until the next mean of the same length. A vector of another type is a TypeError.
        """

    def total(self, numbers: Sequence[int]) -> list[int]:
        """Add up each number over the ranks; they must fit 64 bits."""

    def broadcast(self, text: str | None) -> str:
        """Return rank 0's text, which the others leave None."""

    def decide(self, flag: bool) -> bool:
        """Return rank 0's flag, whatever the others think."""

    def share(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return rank 0's float32 arrays; the others pass some of the same names and shapes."""


class Alone:
    """A single rank, which has nobody to ask."""

    rank = 0
    size = 1

    @property
    def name(self) -> str:
        """Name the host."""
        return socket.gethostname()

    def mean(self, flat: np.ndarray) -> np.ndarray:
        """Return the vector itself."""
        return _as_float32(flat)

    def total(self, numbers: Sequence[int]) -> list[int]:
        """Return the numbers themselves."""
        return list(numbers)

    def broadcast(self, text: str | None) -> str:
        """Return the text itself."""
        if text is None:
            raise TypeError("rank 0 has nothing to tell.")
        return text

    def decide(self, flag: bool) -> bool:
        """Return the flag itself."""
        return flag

    def share(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the arrays themselves."""
        return dict(arrays)


class Mpi:
    """One of the ranks that mpirun started; MPI moves plain buffers, never a pickle."""

    def __init__(self) -> None:
        from mpi4py import MPI

        self._ranks: Any = MPI.COMM_WORLD
        self._in_place: Any = MPI.IN_PLACE
        self.rank: int = self._ranks.Get_rank()
        self.size: int = self._ranks.Get_size()
        self.name: str = MPI.Get_processor_name()
        self._means: dict[int, np.ndarray] = {}  # by length: fresh memory costs more than the arithmetic

    def mean(self, flat: np.ndarray) -> np.ndarray:
        """Add with Allreduce, whose every element is summed up by one rank alone, then divide."""
        mean = self._means.setdefault(flat.size, np.empty(flat.size, np.float32))
        self._ranks.Allreduce(_as_float32(flat), mean)
        mean /= np.float32(self.size)
        return mean

    def total(self, numbers: Sequence[int]) -> list[int]:
        """Add with Allreduce."""
        totals = np.array(numbers, np.int64)
        self._ranks.Allreduce(self._in_place, totals)
        return [int(total) for total in totals]

    def broadcast(self, text: str | None) -> str:
        """Send the length, then the bytes."""
        if self.rank == 0 and text is None:
            raise TypeError("rank 0 has nothing to tell.")
        told = np.frombuffer((text or "").encode(), np.uint8)
        length = np.array([told.size], np.int64)
        self._ranks.Bcast(length)
        heard = told.copy() if self.rank == 0 else np.empty(int(length[0]), np.uint8)
        self._ranks.Bcast(heard)
        return heard.tobytes().decode()

    def decide(self, flag: bool) -> bool:
        """Send one byte."""
        byte = np.array([flag], np.uint8)
        self._ranks.Bcast(byte)
        return bool(byte[0])

    def share(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Send one array after the other, in the order of their names."""
        shared = {name: np.array(arrays[name], np.float32, order="C") for name in sorted(arrays)}
        for array in shared.values():
            self._ranks.Bcast(array)
        return shared


def connect(environ: Mapping[str, str] = os.environ) -> Communicator:
    """Return this process' communicator: Mpi under mpirun, else Alone."""
    return Mpi() if int(environ.get(RANKS_VARIABLE, "1")) > 1 else Alone()


def run_rank(work: Callable[[Communicator], object]) -> None:
    """Run a rank's work; any error ends this process at once, and with it, by mpirun, all the others.

    Without that an error would wait in MPI's Finalize for ranks that wait for this one. An InputError is told as a
    Refused event, whichever rank meets it, and ends with REFUSED; other errors end with their traceback.
    """
    try:
        work(connect())
    except InputError as error:
        sys.stdout.write(f"{format_event(Refused(str(error)))}\n")
        _leave(REFUSED)
    except SystemExit as end:
        _leave(_status_of(end))
    except BaseException:  # a rank must not outlive its work, whatever ended it
        traceback.print_exc()
        _leave(ERROR_STATUS)


def _status_of(end: SystemExit) -> int:
    """Read `sys.exit`'s argument as Python does: a status, nothing, or words."""
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    sys.stderr.write(f"{end.code}\n")
    return ERROR_STATUS


def _leave(status: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _as_float32(flat: np.ndarray) -> np.ndarray:
    if flat.dtype != np.float32 or flat.ndim != 1:
        raise TypeError(f"a mean is taken of a float32 vector, not of {flat.dtype} with {flat.ndim} dimensions.")
    return np.ascontiguousarray(flat)

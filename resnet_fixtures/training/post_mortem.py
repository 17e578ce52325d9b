"""Who died first among the ranks, how, and with which last words: read from what mpirun and the ranks wrote."""

from __future__ import annotations

import re
from dataclasses import dataclass

from resnet_fixtures.inference.child import describe_end
from resnet_fixtures.training.leash import RANK_MARK

TAG = re.compile(r"\[\d+,(\d+)\]<std(?:out|err)>: ?")  # mpirun's --tag-output; Open MPI 4 repeats it within lines
PLACE = re.compile(re.escape(RANK_MARK) + r"(\d+) on (\S+), process (\d+)")
KILLED = re.compile(r"process rank (\d+) with PID \d+ on node \S+ exited on signal (\d+)")
ENDED = re.compile(r"Process name: \[.*?,(\d+)\] Exit code: (\d+)")
ABORTED = re.compile(r"process rank (\d+) with PID \d+ on node \S+ (?:calling|exiting)")


@dataclass(frozen=True)
class Place:
    """Where a rank runs."""

    rank: int
    host: str
    process: int


def untag(line: str) -> str:
    """Leave mpirun's marks out of a line."""
    return TAG.sub("", line)


def find_places(log: str) -> dict[int, Place]:
    """List the ranks that came to life, by their number."""
    return {int(rank): Place(int(rank), host, int(process)) for rank, host, process in PLACE.findall(log)}


def describe_death(status: int, log: str, ranks: int) -> str:
    """Say in one sentence which rank died, where, how, and what it wrote last; of mpirun itself if no rank is named.

    `status` is that of the process that was started: mpirun, or the worker of the only rank (negative: a signal).
    """
    if ranks == 1 and not TAG.search(log):
        return f"{_name(0, log)} {describe_end(status, _leave_places_out(log))}"
    words = " ".join(_lines_of(None, log).split())
    for pattern, sign in ((KILLED, -1), (ENDED, 1)):
        death = pattern.search(words)
        if death:
            rank = int(death[1])
            return f"{_name(rank, log)} {describe_end(sign * int(death[2]), _lines_of(rank, log))}"
    aborted = ABORTED.search(words)
    if aborted:
        return f"{_name(int(aborted[1]), log)} {describe_end(status, _lines_of(int(aborted[1]), log))}"
    return f"mpirun {describe_end(status, _lines_of(None, log))}"


def _name(rank: int, log: str) -> str:
    place = find_places(log).get(rank)
    return f"Rank {rank} on {place.host}" if place else f"Rank {rank}"


def _lines_of(rank: int | None, log: str) -> str:
    """Give the lines of one rank; of None, those that mpirun wrote itself, without its rulers."""
    lines = []
    for line in log.splitlines():
        tag = TAG.match(line)
        if (int(tag[1]) if tag else None) == rank and untag(line).strip("- "):
            lines.append(untag(line))
    return _leave_places_out("\n".join(lines))


def _leave_places_out(log: str) -> str:
    return "\n".join(line for line in log.splitlines() if not line.startswith(RANK_MARK))

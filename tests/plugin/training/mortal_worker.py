"""The real worker on a shallow network, with a short life if it is told one.

`mortal_worker.py RANK before|after METHOD NUMBER INTERVAL_S`: the rank kills itself with SIGKILL before or after the
NUMBERth call of its diary's METHOD. INTERVAL_S is the time between checkpoints.
"""

from __future__ import annotations

import os
import signal
import sys
from itertools import count
from typing import TYPE_CHECKING, Any

from resnet_fixtures.training import diary
from resnet_fixtures.training.communicator import run_rank
from resnet_fixtures.training.worker import work
from tests.plugin.training.shallow import shallow_network

if TYPE_CHECKING:
    from collections.abc import Callable

    from resnet_fixtures.training.communicator import Communicator


def live(ranks: Communicator) -> None:
    if len(sys.argv) > 1:
        prepare_death(ranks.rank, *sys.argv[1:])
    with shallow_network():
        work(ranks)


def prepare_death(rank: int, victim: str, when: str, method: str, number: str, interval_s: str) -> None:
    diary.SECONDS_BETWEEN_CHECKPOINTS = float(interval_s)
    if rank == int(victim):
        setattr(diary.Diary, method, mortal(getattr(diary.Diary, method), when, int(number)))


def mortal(method: Callable[..., Any], when: str, number: int) -> Callable[..., Any]:
    calls = count(1)

    def call(*arguments: Any, **named: Any) -> Any:
        is_last = next(calls) == number
        if is_last and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = method(*arguments, **named)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    return call


if __name__ == "__main__":
    run_rank(live)

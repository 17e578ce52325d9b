"""The real worker with a short life: `mortal_worker.py RANK before|after METHOD NUMBER INTERVAL_S`.

The rank kills itself with SIGKILL before or after the NUMBERth call of its diary's METHOD. INTERVAL_S is the time
between checkpoints.
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

if TYPE_CHECKING:
    from collections.abc import Callable

    from resnet_fixtures.training.communicator import Communicator

RANK, WHEN, METHOD, NUMBER, INTERVAL_S = sys.argv[1:]


def live(ranks: Communicator) -> None:
    diary.SECONDS_BETWEEN_CHECKPOINTS = float(INTERVAL_S)
    if ranks.rank == int(RANK):
        setattr(diary.Diary, METHOD, mortal(getattr(diary.Diary, METHOD)))
    work(ranks)


def mortal(method: Callable[..., Any]) -> Callable[..., Any]:
    calls = count(1)

    def call(*arguments: Any, **named: Any) -> Any:
        is_last = next(calls) == int(NUMBER)
        if is_last and WHEN == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = method(*arguments, **named)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    return call


if __name__ == "__main__":
    run_rank(live)

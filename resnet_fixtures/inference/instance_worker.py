"""The child process of one instance: a session on CPUs of its own, driven by lines on its standard input.

It reads a ChildOrder, answers READY, and waits. GO makes it repeat steps freely until HALT; it writes an empty line
after each step, and after HALT the times of them all as JSON. It ends when its input does, even in the middle of a
step: no parent, no child.
"""

from __future__ import annotations

import json
import os
import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING

from resnet_fixtures.inference.child import ChildOrder, run_child

if TYPE_CHECKING:
    import io
    from collections.abc import Callable

READY, GO, HALT, STEP = b"ready\n", b"go\n", b"halt\n", b"\n"


def main() -> None:
    """Serve the parent until it hangs up."""
    reports = take_standard_output()
    commands: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=listen, args=(commands,), daemon=True).start()
    order = ChildOrder.from_json(commands.get().decode())
    session, images = order.open_session(order.load_pinned())
    reports.write(READY)
    while True:
        commands.get()
        reports.write(repeat_steps(lambda: session.predict(images), commands, lambda: reports.write(STEP)))


def take_standard_output() -> io.FileIO:
    """Keep standard output for the reports; what libraries print (ONEDNN_VERBOSE) goes to standard error instead."""
    reports = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return reports


def listen(commands: SimpleQueue[bytes]) -> None:
    """Pass each line on, and end the process when the parent is gone."""
    # Unbuffered: a thread that is blocked in a buffered standard input crashes Python on its way out.
    with os.fdopen(0, "rb", buffering=0, closefd=False) as lines:
        for line in lines:
            commands.put(line)
    os._exit(0)


def repeat_steps(
    step: Callable[[], object],
    commands: SimpleQueue[bytes],
    report: Callable[[], object],
    clock: Callable[[], int] = time.perf_counter_ns,
) -> bytes:
    """Repeat the step until a command arrives, which is HALT; return the line that tells when each started and ended.

    The times are nanoseconds of a clock that on Linux and macOS is the same for all processes.
    """
    starts_ns: list[int] = []
    ends_ns: list[int] = []
    while commands.empty():
        starts_ns.append(clock())
        step()
        ends_ns.append(clock())
        report()
    commands.get()
    return json.dumps({"starts_ns": starts_ns, "ends_ns": ends_ns}).encode() + b"\n"


if __name__ == "__main__":
    run_child(main)

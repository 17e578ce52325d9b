"""Run the ranks of a training, and see to it that they end together."""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

from resnet_fixtures.errors import InputError, RunError
from resnet_fixtures.inference.child import child_environment
from resnet_fixtures.training.events import Ended, Refused, parse_event
from resnet_fixtures.training.leash import leash_command
from resnet_fixtures.training.post_mortem import describe_death, find_places, untag

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from resnet_fixtures.training.events import Event
    from resnet_fixtures.training.launch import Launch
    from resnet_fixtures.training.order import Order

EXIT_TIME_S = 20.0  # from the end of the ranks' output to the end of mpirun, which ends slow ranks itself
MERCY_S = 5.0  # from asking mpirun to end to killing it


@contextmanager
def run_ranks(launch: Launch, order: Order, environ: Mapping[str, str] = os.environ) -> Iterator[Iterator[Event]]:
    """Start the ranks, give rank 0 the order, and yield its events as they come; at the end of the block all are gone.

        with run_ranks(launch, order, environ) as events:
            for event in events: ...

    The iterator raises RunError when a rank dies, with its name, its end and its last words, and InputError with the
    sentence when a rank refuses the order. Call it from a thread that lives on: the kernel ends the ranks with it.
    """
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            leash_command("TERM", launch.command, is_rank=False),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=child_environment(launch.plan, environ),
            start_new_session=True,  # an interrupt at the terminal is for this process, which ends the ranks
        )
        with process:
            try:
                _give_order(process, order)
                yield _read_events(process, log, launch.ranks)
            finally:
                _end(process)


def _give_order(process: subprocess.Popen[bytes], order: Order) -> None:
    with suppress(BrokenPipeError), process.stdin:  # type: ignore[union-attr] # who died already is named later
        process.stdin.write(order.to_json().encode() + b"\n")  # type: ignore[union-attr]


def _read_events(process: subprocess.Popen[bytes], log: IO[bytes], ranks: int) -> Iterator[Event]:
    event: Event | None = None
    for line in process.stdout:  # type: ignore[union-attr]
        heard = parse_event(untag(line.decode(errors="replace")))
        if isinstance(heard, Refused):
            raise InputError(heard.sentence)
        if heard:
            event = heard
            yield event
    _check_end(process, log, ranks, is_over=isinstance(event, Ended))


def _check_end(process: subprocess.Popen[bytes], log: IO[bytes], ranks: int, *, is_over: bool) -> None:
    try:
        status = process.wait(EXIT_TIME_S)
    except subprocess.TimeoutExpired:
        raise RunError(f"The ranks' output has ended, but they have not, for {EXIT_TIME_S:g} s.") from None
    log.seek(0)
    written = log.read().decode(errors="replace")
    if status > 0 and not find_places(written):
        raise InputError(f"{describe_death(status, written, ranks)}: see the command with --mpi-dry-run.")
    if status or not is_over:
        raise RunError(describe_death(status, written, ranks))


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let mpirun end the ranks of all hosts; the kernel ends those of this one when it is gone."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(MERCY_S)
    process.kill()

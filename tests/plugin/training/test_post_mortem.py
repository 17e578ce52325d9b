"""Literal samples of Open MPI 5.0.11 (prterun) and 4.1.4 (orterun)."""

from __future__ import annotations

import pytest

from resnet_fixtures.training.events import Step, format_event, parse_event
from resnet_fixtures.training.post_mortem import Place, describe_death, find_places, untag

RANKS = """\
[1,0]<stderr>: @resnet_fixtures rank 0 on node1, process 411
[1,1]<stderr>: @resnet_fixtures rank 1 on node2, process 97
[1,1]<stderr>: I feel unwell
[1,0]<stderr>: I am well
"""
RULER = "-" * 74 + "\n"
KILLED_5 = f"""{RANKS}{RULER}prterun noticed that process rank 1 with PID 13947 on node vm exited on
signal 9 (Killed).
{RULER}"""
KILLED_4 = f"""{RANKS}{RULER}orterun noticed that process rank 1 with PID 0 on node vm exited on signal 9 (Killed).
{RULER}"""
ENDED_5 = f"""{RANKS}{RULER}prterun detected that one or more processes exited with non-zero status,
thus causing the job to be terminated. The first process to do so was:

   Process name: [prterun-vm-13953@1,1]
   Exit code:    7
{RULER}"""
ENDED_4 = f"""{RANKS}{RULER}Primary job  terminated normally, but 1 process returned
a non-zero exit code. Per user-direction, the job has been aborted.
{RULER}{RULER}orterun detected that one or more processes exited with non-zero status, thus causing
the job to be terminated. The first process to do so was:

  Process name: [[21687,1],1]
  Exit code:    7
{RULER}"""
LEFT_5 = f"""{RANKS}{RULER}prterun has exited due to process rank 1 with PID 13977 on node vm exiting
improperly. There are three reasons this could occur:
{RULER}"""
KILLED = "Rank 1 on node2 was killed by SIGKILL (the kernel does so when memory runs out: pass a smaller --batch-size)"


@pytest.mark.parametrize(
    ("log", "status", "sentence"),
    [
        (KILLED_5, 137, f"{KILLED}; its last words: I feel unwell"),
        (KILLED_4, 137, f"{KILLED}; its last words: I feel unwell"),
        (ENDED_5, 7, "Rank 1 on node2 ended with exit status 7; its last words: I feel unwell"),
        (ENDED_4, 7, "Rank 1 on node2 ended with exit status 7; its last words: I feel unwell"),
        (LEFT_5, 1, "Rank 1 on node2 ended with exit status 1; its last words: I feel unwell"),
        (
            f"{RANKS}{RULER}no route to node2\n{RULER}",
            1,
            "mpirun ended with exit status 1; its last words: no route to node2",
        ),
    ],
)
def test_first_death_is_told_with_rank_host_and_last_words(log: str, status: int, sentence: str) -> None:
    assert describe_death(status, log, ranks=2) == sentence


def test_only_rank_is_told_without_mpirun() -> None:
    log = "@resnet_fixtures rank 0 on node1, process 4\nTraceback\n-----\nValueError: a bug\n"
    sentence = "Rank 0 on node1 ended with exit status 1; its last words: Traceback | ----- | ValueError: a bug"
    assert describe_death(1, log, ranks=1) == sentence


def test_rank_that_did_not_live_to_say_its_host_is_named_all_the_same() -> None:
    log = KILLED_5.replace("@resnet_fixtures rank 1", "")
    assert describe_death(137, log, ranks=2).startswith("Rank 1 was killed by SIGKILL")


def test_places_are_found_behind_tags_and_without() -> None:
    assert find_places(RANKS) == {0: Place(0, "node1", 411), 1: Place(1, "node2", 97)}
    assert find_places("@resnet_fixtures rank 0 on a, process 4\n") == {0: Place(0, "a", 4)}
    assert find_places("[1,0]<stderr>: rank 0\n") == {}


def test_event_survives_what_open_mpi_4_does_to_bursts_of_lines() -> None:
    event = Step(7, 6.9, 0.1, 0.5, 0.01, 0.1)
    line = format_event(event)
    for torn in (f"[1,0]<stdout>:{line}[1,0]<stdout>:\n", f"[1,0]<stdout>:{line[:30]}[1,0]<stdout>:{line[30:]}\n"):
        assert parse_event(untag(torn)) == event

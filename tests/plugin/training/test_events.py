from __future__ import annotations

import json

import pytest

from resnet_fixtures.training.events import (
    MARK,
    Begun,
    Ended,
    Evaluated,
    Event,
    Logged,
    Refused,
    Saved,
    Step,
    format_event,
    parse_event,
)

EVENTS = (
    Begun(step=0, steps=20, steps_per_epoch=10, parameters=25_600_000, digests={"train_digest": "ab12"}),
    Step(number=1, loss=6.9, learning_rate=0.1, seconds=2.0, input_s=0.1, communication_s=0.2),
    Evaluated(epoch=1, step=10, correct1=3, correct5=4, images=4, seconds=0.5),
    Saved(path="folder/step-0000000010.safetensors", step=10),
    Logged(entry={"key": "seed", "value": 2}),
    Ended(step=20, seconds=41.5, reached=True),
    Refused(sentence="No train split: name another folder …"),
)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_survives_its_line(event: Event) -> None:
    line = format_event(event)
    assert "\n" not in line
    assert parse_event(f"{line}\n") == event
    assert parse_event(f"[1,0]<stdout>: {line}\n") == event


@pytest.mark.parametrize(
    "line", ["", "loss = 1.0\n", "onednn_verbose,v1,primitive,exec\n", f"{MARK}\n", f'{MARK}{{"kind": "St\n']
)
def test_other_lines_are_no_events(line: str) -> None:
    assert parse_event(line) is None


def test_an_unknown_event_is_an_error() -> None:
    with pytest.raises(KeyError, match="Dreamt"):
        parse_event(MARK + json.dumps({"kind": "Dreamt"}))


def test_top1_is_a_share() -> None:
    assert Evaluated(1, 10, correct1=3, correct5=4, images=4, seconds=0.5).top1 == 0.75

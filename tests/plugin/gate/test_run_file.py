from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.gate.run_file import LARGEST, read_run, read_unmeasured, write_run
from resnet_fixtures.gate.samples import Entry, Metric, ProcessSample
from resnet_fixtures.gate.verdict import Judgement, Verdict
from resnet_fixtures.stats.summary import Interval
from tests.plugin.gate.stored import FACTS, ONLINE, SCORED, make_accuracy, make_timing, save

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Change = Callable[[dict[str, Any]], object]

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.json"


@pytest.fixture
def entries() -> dict[str, Entry]:
    return {ONLINE: make_timing(), SCORED: make_accuracy()}


def test_what_was_written_is_read(path: Path, entries: dict[str, Entry]) -> None:
    write_run(path, entries)
    assert read_run(path) == entries


def test_pairs_keep_the_times_of_both_sides(path: Path) -> None:
    this, other = make_timing().samples, tuple(ProcessSample((0.25,)) for _ in make_timing().samples)
    entry = replace(make_timing(), against_samples=other)
    write_run(path, {ONLINE: entry})
    assert (read_run(path)[ONLINE].samples, read_run(path)[ONLINE].against_samples) == (this, other)


def test_times_keep_their_last_digit(path: Path) -> None:
    step_s = 0.1 + 0.2
    write_run(path, {"a": Entry("a", Metric.TIME_TO_TARGET_S, 0, {}, (ProcessSample((step_s,)),))})
    assert read_run(path)["a"].samples[0].steps_s == (step_s,)


def test_no_test_at_all_is_a_run(path: Path) -> None:
    write_run(path, {})
    assert read_run(path) == {}


def test_the_file_as_others_read_it(path: Path) -> None:
    entry = Entry("a[x]", Metric.IMAGES_PER_S, 8, {"precision": "fp32"}, (ProcessSample((0.5,)),))
    write_run(path, {"b": make_accuracy((0, 1)), "a[x]": entry}, created=NOON)
    assert json.loads(path.read_text()) == {
        "schema": "resnet_fixtures.gate",
        "version": 1,
        "created": "2026-11-23T12:00:00+00:00",
        "entries": {
            "a[x]": {
                "metric": "images_per_s", "batch_size": 8, "facts": {"precision": "fp32"},
                "samples": [{"steps_s": [0.5]}],
            },
            "b": {
                "metric": "accuracy", "batch_size": 100, "facts": FACTS,
                "scored": {"images_sha256": "f00d", "predictions": [0, 1], "ranks": [0, 1]},
            },
        },
    }  # fmt: skip
    assert [line[:4] for line in path.read_text().splitlines()] == ['{"sc', '"a[x', '"b":', "}}"]


def test_verdicts_on_what_was_not_measured_are_kept(path: Path) -> None:
    judgement = Judgement("new", Verdict.NO_BASELINE, "has no baseline")
    write_run(path, {}, {"new": judgement})
    assert read_run(path) == {}
    assert read_unmeasured(path) == [judgement]
    path.write_text(path.read_text().replace("NO_BASELINE", "UNHEARD_OF"))
    with pytest.raises(InputError, match=r"is damaged \(unmeasured: 'UNHEARD_OF' is not a valid Verdict\)"):
        read_unmeasured(path)


def test_time_of_writing_is_now_with_its_zone(path: Path) -> None:
    before = datetime.now(timezone.utc)
    write_run(path, {})
    created = datetime.fromisoformat(json.loads(path.read_text())["created"])
    assert before <= created <= datetime.now(timezone.utc)


def test_verdicts_stand_beside_what_they_judge(path: Path, entries: dict[str, Entry]) -> None:
    judgement = Judgement(ONLINE, Verdict.REGRESSED, "is slower", 0.06, Interval(0.04, 0.08, 0.999))
    write_run(path, entries, {ONLINE: judgement})
    stored = json.loads(path.read_text())["entries"]
    named = {name: stored[ONLINE][name] for name in ("verdict", "reason", "change", "change_interval")}
    assert named == {"verdict": "REGRESSED", "reason": "is slower", "change": 0.06, "change_interval": [0.04, 0.08]}
    assert "verdict" not in stored[SCORED]
    assert read_run(path) == entries


def test_fifty_thousand_images_are_small_and_quick(path: Path) -> None:
    entry = make_accuracy([number % 7 for number in range(50_000)])
    write_run(path, {SCORED: entry})
    assert path.stat().st_size < 2_000_000
    raw_s, read_s = [], []
    for _ in range(3):
        start = time.process_time()
        json.loads(path.read_text())
        raw_s.append(time.process_time() - start)
        start = time.process_time()
        assert read_run(path) == {SCORED: entry}
        read_s.append(time.process_time() - start)
    assert min(read_s) < 30 * min(raw_s)


@pytest.mark.parametrize("kept", [1, 30, 200, -3, -2])
def test_truncated_file(kept: int, path: Path, entries: dict[str, Entry]) -> None:
    write_run(path, entries)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"run\.json is damaged \(.+\): restore it from a copy, or delete it and mea"):
        read_run(path)


@pytest.mark.parametrize("content", [[], {}, 7, None, {"schema": "other", "version": 1, "entries": {}}])
def test_foreign_file(content: object, path: Path) -> None:
    with pytest.raises(InputError, match=r"run\.json is not the gate's: pass a file that --gate or --gate-update wrot"):
        read_run(save(path, content))


def test_newer_file(path: Path, entries: dict[str, Entry]) -> None:
    write_run(path, entries)
    path.write_text(path.read_text().replace('"version":1', '"version":2'))
    with pytest.raises(InputError, match=r"has format 2 and this resnet-fixtures reads up to 1: install the version t"):
        read_run(path)


@pytest.mark.parametrize("version", ["0", "-1", "true", '"1"', "1.0", "null", "[]"])
def test_version_that_never_was(version: str, path: Path) -> None:
    path.write_text(f'{{"schema":"resnet_fixtures.gate","version":{version},"entries":{{}}}}')
    with pytest.raises(InputError, match=r"is damaged \(it has no version or no entries\)"):
        read_run(path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda entry: entry.pop("metric"), "'metric' is missing"),
        (lambda entry: entry.pop("facts"), "'facts' is missing"),
        (lambda entry: entry.pop("batch_size"), "'batch_size' is missing"),
        (lambda entry: entry.update(metric="speed"), "'speed' is not a valid Metric"),
        (lambda entry: entry.update(metric=["latency_s"]), "is not a valid Metric"),
        (lambda entry: entry.update(facts=[1]), "no facts"),
        (lambda entry: entry.update(batch_size=-1), "batch_size is no count of images"),
        (lambda entry: entry.update(batch_size=True), "batch_size is no count of images"),
        (lambda entry: entry.update(batch_size=1.5), "batch_size is no count of images"),
        (lambda entry: entry.update(metric="images_per_s", batch_size=0), "batch_size is no count of images"),
        (lambda entry: entry.pop("samples"), "timings have samples, and accuracy has none"),
        (lambda entry: entry.update(samples=[]), "timings have samples, and accuracy has none"),
        (lambda entry: entry.update(samples={"steps_s": [1]}), "samples are no list"),
        (lambda entry: entry.update(against_samples={}), "samples are no list"),
        (lambda entry: entry.update(against_samples=entry["samples"][1:]), "each sample needs one of the other side"),
        (lambda entry: entry.update(samples=[7]), "."),
        (lambda entry: entry.update(samples=[[]]), "."),
        (lambda entry: entry.update(samples=[{}]), "'steps_s' is missing"),
        (lambda entry: entry.update(samples=[{"steps_s": []}]), "a sample needs one step or more"),
        (lambda entry: entry.update(samples=[{"steps_s": 7}]), "times are no list of finite numbers"),
        (lambda entry: entry.update(samples=[{"steps_s": ["7"]}]), "times are no list of finite numbers"),
        (lambda entry: entry.update(samples=[{"steps_s": [True]}]), "times are no list of finite numbers"),
        (lambda entry: entry.update(samples=[{"steps_s": [float("nan")]}]), "times are no list of finite numbers"),
        (lambda entry: entry.update(samples=[{"steps_s": [10**400]}]), "int too large"),
        (lambda entry: entry.update(samples=[{"steps_s": [0]}]), "finite and above 0"),
        (lambda entry: entry.update(samples=[{"steps_s": [-0.1]}]), "finite and above 0"),
        (lambda entry: entry.update(samples=[{"steps_s": [1, 1], "reference_s": [1]}]), "a reference for each of them"),
        (lambda entry: entry.update(samples=[{"steps_s": [1], "warmup_s": None}]), "times are no list"),
        (lambda entry: entry.update(scored={}), "timings have none"),
    ],
)
def test_wrong_timing(change: Change, reason: str, path: Path, entries: dict[str, Entry]) -> None:
    refuse_changed(path, entries, ONLINE, change, reason)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda entry: entry.pop("scored"), "accuracy has scored images"),
        (lambda entry: entry.update(scored=7), "."),
        (lambda entry: entry.update(samples=[{"steps_s": [1]}]), "accuracy has none"),
        (lambda entry: entry["scored"].pop("ranks"), "'ranks' is missing"),
        (lambda entry: entry["scored"].pop("images_sha256"), "'images_sha256' is missing"),
        (lambda entry: entry["scored"].update(images_sha256=7), "need a digest"),
        (lambda entry: entry["scored"].update(ranks=[0]), "one prediction and rank for each image"),
        (lambda entry: entry["scored"].update(ranks=[], predictions=[]), "one prediction and rank for each image"),
        (lambda entry: entry["scored"].update(ranks="0000"), "no list of whole numbers"),
        (lambda entry: entry["scored"].update(ranks=[0, 0, 0, 0.5]), "no list of whole numbers"),
        (lambda entry: entry["scored"].update(ranks=[0, 0, 0, -1]), "no list of whole numbers"),
        (lambda entry: entry["scored"].update(predictions=[0, 0, 0, LARGEST]), "no list of whole numbers"),
        (lambda entry: entry["scored"].update(predictions=[0, 0, 0, None]), "no list of whole numbers"),
    ],
)
def test_wrong_accuracy(change: Change, reason: str, path: Path, entries: dict[str, Entry]) -> None:
    refuse_changed(path, entries, SCORED, change, reason)


def refuse_changed(path: Path, entries: dict[str, Entry], test: str, change: Change, reason: str) -> None:
    write_run(path, entries)
    content = json.loads(path.read_text())
    change(content["entries"][test])
    save(path, content)
    with pytest.raises(InputError, match=r"run\.json is damaged \('tests/.*: .+\): restore it") as error:
        read_run(path)
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("test", ["", "a\nb", "a\x1b[31m"])
def test_name_that_would_not_stay_on_its_line(test: str, path: Path) -> None:
    write_run(path, {test: make_timing(test)})
    with pytest.raises(InputError, match=r"the test has no name, no fields or no facts") as error:
        read_run(path)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("content", ['[{"a": 1}]', '"a"', "7", "null"])
def test_entries_of_a_wrong_type(content: str, path: Path) -> None:
    path.write_text(f'{{"schema":"resnet_fixtures.gate","version":1,"entries":{content}}}')
    with pytest.raises(InputError, match="it has no version or no entries"):
        read_run(path)
    path.write_text(f'{{"schema":"resnet_fixtures.gate","version":1,"entries":{{"a":{content}}}}}')
    with pytest.raises(InputError, match=r"is damaged \('a': "):
        read_run(path)


def test_fields_of_a_later_hand_are_passed_over(path: Path, entries: dict[str, Entry]) -> None:
    write_run(path, entries)
    content = json.loads(path.read_text())
    content["remark"] = content["entries"][ONLINE]["remark"] = "mine"
    assert read_run(save(path, content)) == entries

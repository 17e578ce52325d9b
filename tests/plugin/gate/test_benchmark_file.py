from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.gate.benchmark_file import parse_benchmarks, parse_time
from resnet_fixtures.gate.samples import Entry, Metric, ProcessSample
from tests.plugin.gate.stored import BATCH, FACTS, ONLINE, make_benchmark, make_saved

PATH = Path("0001_x.json")


def parse_one(benchmark: dict[str, Any]) -> Entry:
    (saved,) = parse_benchmarks(PATH, make_saved(benchmark))
    return saved.entry


def test_timing_with_its_rounds() -> None:
    (saved,) = parse_benchmarks(PATH, make_saved(make_benchmark(step_s=0.02), day=7))
    sample = ProcessSample((0.02, 0.02, 0.04), warmup_s=(0.5,))
    assert saved.entry == Entry(ONLINE, Metric.LATENCY_S, 1, FACTS, (sample,))
    assert saved.is_raw
    assert saved.saved == datetime(2026, 11, 7, 2, 0, 0, 123456, timezone.utc)


def test_without_rounds_the_median_is_the_step() -> None:
    (saved,) = parse_benchmarks(PATH, make_saved(make_benchmark(step_s=None)))
    assert saved.entry.samples[0].steps_s == (0.025,)
    assert not saved.is_raw


def test_run_under_the_gate_has_a_sample_for_each_of_its_processes() -> None:
    benchmark = make_benchmark(step_s=None, gate_processes=2, gate_process_medians_s=[0.02, 0.03])
    (saved,) = parse_benchmarks(PATH, make_saved(benchmark))
    assert saved.entry.samples == (ProcessSample((0.02,)), ProcessSample((0.03,)))
    assert saved.is_raw


@pytest.mark.parametrize(
    ("fields", "metric", "images"),
    [
        ({"mode": "batch", "batch_size": 8}, Metric.IMAGES_PER_S, 8),
        ({"mode": "online"}, Metric.LATENCY_S, 1),
        ({"mode": "training", "batch_size": 16, "processes": 2}, Metric.IMAGES_PER_S, 32),
        ({"mode": "batch", "batch_size": 8, "instances": [{"cpus": [0]}, {"cpus": [1]}]}, Metric.IMAGES_PER_S, 16),
    ],
)
def test_metric_and_images_of_a_round(fields: dict[str, Any], metric: Metric, images: int) -> None:
    entry = parse_one(make_benchmark(**fields))
    assert (entry.metric, entry.batch_size) == (metric, images)


def test_facts_are_without_results() -> None:
    instances = [{"cpus": [0], "images_per_s": 3.0, "steps": 10}]
    more: dict[str, Any] = {"recipe": {"seed": 1}, "processes": 1, "train_digest": "ab12"}
    facts = parse_one(make_benchmark(instances=instances, **more)).facts
    assert facts == {**FACTS, "instances": [{"cpus": [0]}], **more}


@pytest.mark.parametrize(
    "foreign",
    [
        {"fullname": "a", "stats": {"median": 1}},
        {"fullname": "a", "stats": {"median": 1}, "extra_info": {}},
        {"fullname": "a", "stats": {"median": None}, "extra_info": {"batch_size": 8}},
        make_benchmark(precision="fp64"),
        make_benchmark(precision=["int8"]),
        make_benchmark(mode="serial"),
        make_benchmark(batch_size="8"),
        make_benchmark(batch_size=0),
        make_benchmark(thread_plan=2),
        7,
    ],
)
def test_benchmarks_of_others_are_passed_over(foreign: Any) -> None:
    content = make_saved(foreign, make_benchmark(BATCH))
    assert [one.entry.test for one in parse_benchmarks(PATH, content)] == [BATCH]
    assert parse_benchmarks(PATH, {"benchmarks": [foreign]}) == []


@pytest.mark.parametrize("content", [[], {}, {"benchmarks": {}}, {"schema": "resnet_fixtures.gate"}, None])
def test_file_that_is_not_pytest_benchmark_s(content: object) -> None:
    with pytest.raises(InputError, match=r"0001_x\.json is not pytest-benchmark's: pass a file that --benchmark-json "):
        parse_benchmarks(PATH, content)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"stats": {}}, "'median' is missing"),
        ({"stats": []}, "no stats"),
        ({"stats": {"median": None}}, "no list of finite numbers"),
        ({"stats": {"data": "raw"}}, "no list of finite numbers"),
        ({"stats": {"data": [0.1, None]}}, "no list of finite numbers"),
        ({"stats": {"data": [0.1, -1]}}, "finite and above 0"),
        ({"fullname": None}, "no name"),
        ({"fullname": "a\nb"}, "no name"),
    ],
)
def test_broken_timing_of_ours(changed: dict[str, object], reason: str) -> None:
    with pytest.raises(InputError, match=rf"0001_x\.json is damaged \(.*{reason}.*\): restore it from a copy"):
        parse_benchmarks(PATH, make_saved({**make_benchmark(), **changed}))


@pytest.mark.parametrize(
    "fields",
    [
        {"instances": []},
        {"instances": 2},
        {"processes": 0},
        {"processes": "2"},
        {"instances": [{}]},
        {"gate_process_medians_s": 7},
        {"gate_process_medians_s": []},
        {"gate_process_medians_s": [0]},
    ],
)
def test_broken_processes(fields: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"0001_x\.json is damaged \(.+\): restore it"):
        parse_one(make_benchmark(**fields))


@pytest.mark.parametrize("when", [None, 7, "yesterday"])
def test_run_without_a_time(when: object) -> None:
    with pytest.raises(InputError, match=r"0001_x\.json is damaged \(.+\): restore it"):
        parse_benchmarks(PATH, {**make_saved(make_benchmark()), "datetime": when})


def test_times_of_older_files_are_utc_s() -> None:
    assert parse_time("2019-05-04T03:02:01.5").utcoffset() == timedelta(0)
    assert parse_time("2026-05-04T03:02:01+02:00").utcoffset() == timedelta(hours=2)

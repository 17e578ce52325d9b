from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.gate.compatibility import LONGEST, describe_changes, find_difference, show
from resnet_fixtures.gate.samples import Entry, Metric, ProcessSample
from tests.plugin.gate.made_entries import FACTS, make_entry, replace_fact, score_images, time_processes

if TYPE_CHECKING:
    from collections.abc import Mapping

SAMPLES = (ProcessSample((0.1,)), ProcessSample((0.2,)))


def describe(there: Mapping[str, object], here: Mapping[str, object]) -> str | None:
    difference = find_difference(make_entry(SAMPLES, facts=there), make_entry(SAMPLES, facts=here))
    return difference.describe("base.json") if difference else None


def describe_entries(baseline: Entry, run: Entry) -> str | None:
    difference = find_difference(baseline, run)
    return difference.describe("base.json") if difference else None


def test_same_facts_are_comparable_read_from_a_file_too() -> None:
    facts = {**FACTS, "recipe": {"drop_epochs": (30.0, 60.0)}}
    assert describe(facts, facts) is None
    assert describe(json.loads(json.dumps(facts)), facts) is None


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (["precision"], "fp32", "precision: fp32 here, int8 in base.json"),
        (["data"], "imagenet", "data: imagenet here, dummy in base.json"),
        (["train_digest"], "bb", "training images: bb here, not known in base.json"),
        (["validation_digest"], "bb", "validation images: bb here, not known in base.json"),
        (["graph_sha256"], "bb", "graph: bb here, aa11 in base.json"),
        (["machine", "cpu_model"], "EPYC 9654", "CPU model: EPYC 9654 here, Xeon 8488C in base.json"),
        (["machine", "cores"], 4, "number of cores: 4 here, 2 in base.json"),
        (["machine", "smt"], True, "SMT: True here, False in base.json"),
        (["isa"], "avx2", "instruction set: avx2 here, avx512_vnni_bf16 in base.json"),
        (["thread_plan", "intra"], 1, "intra-op threads: 1 here, 2 in base.json"),
        (["thread_plan", "inter"], 2, "inter-op threads: 2 here, 1 in base.json"),
        (["machine", "cpu_dma_latency_us"], 0, "limit of --cpu-dma-latency: 0 here, not known in base.json"),
        (["thread_plan", "quota"], 1.5, "CPU quota: 1.5 here, not known in base.json"),
        (["thread_plan", "cpus"], [0], "CPUs of the thread plan: 1 here, 2 in base.json"),
        (["processes"], 2, "number of processes: 2 here, not known in base.json"),
        (["target"], 0.759, "top-1 to reach: 0.759 here, not known in base.json"),
        (["emulated"], True, "emulation: True here, False in base.json"),
        (["recipe"], {"warmup_epochs": 2}, "warmup epochs of the recipe: 2 here, not known in base.json"),
        (["instances"], [{"cpus": [0]}, {"cpus": [1]}], "instances' CPUs: [1, 1] here, not known in base.json"),
        (
            ["kernels", "implementations"],
            {"brgconv:avx512_core_vnni": 36, "gemm:jit": 17},
            "kernels on one side alone: gemm:jit here, brgconv_1x1:avx512_core_vnni in base.json",
        ),
        (
            ["kernels"],
            None,
            "kernels on one side alone: no other here, "
            "brgconv:avx512_core_vnni, brgconv_1x1:avx512_core_vnni in base.json",
        ),
    ],
)  # fmt: skip
def test_what_differs_is_named_with_both_values(path: list[str], value: object, sentence: str) -> None:
    assert describe(FACTS, replace_fact(path, value)) == sentence


@pytest.mark.parametrize("path", [["machine"], ["machine", "cpu_model"], ["thread_plan"], ["thread_plan", "cpus"]])
def test_timings_of_an_unknown_place_are_not_comparable_even_if_both_are_unknown(path: list[str]) -> None:
    facts = replace_fact(path, None)
    name = "thread plan" if path[0] == "thread_plan" else "CPU model"
    assert describe(facts, facts) == f"{name}: not known here, not known in base.json"


def test_metric_and_batch_size_come_first() -> None:
    run = replace(time_processes(0.1), batch_size=16, facts={})
    assert describe_entries(time_processes(0.1), run) == "batch size: 16 here, 8 in base.json"
    run = time_processes(0.1, metric=Metric.LATENCY_S)
    assert describe_entries(time_processes(0.1), run) == "metric: latency_s here, images_per_s in base.json"


def test_throughput_of_no_images_is_not_comparable() -> None:
    entry = replace(time_processes(0.1), batch_size=0)
    assert describe_entries(entry, entry) == "batch size: 0 here, 0 in base.json"


def test_a_side_that_measured_nothing_is_not_comparable() -> None:
    assert describe_entries(make_entry(()), time_processes(0.1)) == "measurement: there here, none in base.json"
    unscored = replace(score_images([0]), scored=None)
    assert describe_entries(score_images([0]), unscored) == "measurement: none here, there in base.json"


def test_accuracy_needs_no_machine() -> None:
    entry = replace(score_images([0]), facts={"precision": "fp32"})
    assert describe_entries(entry, entry) is None


def test_seeds_of_a_recipe_and_versions_may_differ() -> None:
    assert describe({**FACTS, "recipe": {"seed": 2}}, {**FACTS, "recipe": {"seed": 3}}) is None
    assert describe(FACTS, replace_fact(["versions", "tensorflow"], "2.21.0")) is None


def test_what_may_differ_is_named() -> None:
    here = replace_fact(["machine", "kernel"], "6.2.0", replace_fact(["versions", "tensorflow"], "2.21.0"))
    here = replace_fact(["versions", "numpy"], None, here)
    assert describe_changes(FACTS, here) == (
        "numpy 2.1.0 -> not known",
        "tensorflow 2.20.0 -> 2.21.0",
        "kernel 6.1.0 -> 6.2.0",
    )
    assert describe_changes(FACTS, FACTS) == ()


@pytest.mark.parametrize("broken", [3, "text", [1], {"machine": 3, "versions": [1], "recipe": 1, "kernels": 2}])
def test_facts_of_other_shapes_break_nothing(broken: object) -> None:
    facts = broken if isinstance(broken, dict) else dict.fromkeys(FACTS, broken)
    assert describe(FACTS, facts) is not None
    assert isinstance(describe_changes(FACTS, facts), tuple)


def test_values_of_a_file_stay_on_one_line() -> None:
    assert show("a\nb\x1b[31m\t c") == "a b?[31m c"
    assert show("x" * 1000) == "x" * LONGEST + "…"

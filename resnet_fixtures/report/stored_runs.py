"""Read pytest-benchmark's saved runs: those benchmarks that have this suite's result fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resnet_fixtures.report.history import Machine, Result, Run
from resnet_fixtures.report.stored_json import is_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from resnet_fixtures.report.stored_json import Fields

OURS = ("precision", "batch_size", "images_per_s", "latency_median_s")
MAX_QUANTILES = 200  # as fine as a figure shows
SHOWN_FACTS = (
    "cpu_model", "isa", "cpus", "cores", "smt", "sockets", "numa_nodes", "quota", "memory", "kernel", "governor",
    "turbo", "idle_states", "cpu_dma_latency_us",
)  # fmt: skip


def is_saved_run(stored: Fields) -> bool:
    """Tell pytest-benchmark's file from another JSON file."""
    return stored.has("benchmarks", "datetime", "machine_info")


def read_saved_run(path: Path, stored: Fields) -> tuple[Run, int]:
    """Return the run, and how many benchmarks of other suites were left out of it."""
    benchmarks = stored.objects("benchmarks")
    ours = [benchmark for benchmark in benchmarks if benchmark.nested("extra_info").has(*OURS)]
    results = tuple(_read_result(benchmark) for benchmark in ours)
    node = stored.nested("machine_info").text("node", "")
    run = Run(str(path), stored.time("datetime"), node, describe_commit(stored.nested("commit_info")), results)
    return run, len(benchmarks) - len(ours)


def describe_commit(commit: Fields) -> str:
    """Say commit and branch, as far as they are known."""
    parts = (commit.text("id", "")[:10], commit.text("branch", ""))
    text = " ".join(part for part in parts if part and part != "unknown")
    return f"{text}, changed files" if text and commit.values.get("dirty") is True else text


def _read_result(benchmark: Fields) -> Result:
    extra, stats = benchmark.nested("extra_info"), benchmark.nested("stats")
    return Result(
        test=benchmark.text("fullname"),
        images_per_s=extra.number("images_per_s"),
        interval=extra.pair("images_per_s_interval"),
        latency_s=extra.number("latency_median_s"),
        steps=extra.count("steps", 0),
        medians_s=tuple(extra.numbers("gate_process_medians_s")),
        quantiles=tuple(read_quantiles(stats, extra)),
        **read_circumstances(extra),
    )


def read_circumstances(fields: Fields) -> dict[str, Any]:
    """Return the fields of a Result that say by what and on what it was measured."""
    return {
        "precision": fields.text("precision"),
        "batch_size": fields.count("batch_size"),
        "mode": fields.text("mode", ""),
        "data": fields.text("data", ""),
        "machine": read_machine(fields),
        "threads": describe_threads(fields.nested("thread_plan")),
        "processes": max(1, len(fields.objects("instances")), fields.count("processes", 1)),
        "versions": read_versions(fields.nested("versions")),
        "graph": fields.text("graph_sha256", ""),
        "facts": read_facts(fields),
    }


def read_machine(fields: Fields) -> Machine:
    """Return the kind of machine, from the facts or, where they are missing, from what else a result has."""
    machine, cpus = fields.nested("machine"), fields.nested("thread_plan").numbers("cpus")
    isa = fields.text("isa", machine.text("isa", ""))
    return Machine(machine.text("cpu_model", ""), isa, len(cpus))


def describe_threads(plan: Fields) -> str:
    """Say the pools; empty where the plan is not stored."""
    return f"intra {plan.count('intra')}, inter {plan.count('inter')}" if plan.has("intra", "inter") else ""


def read_versions(versions: Fields) -> Mapping[str, str]:
    """Return the versions that are stored; None stands for what was not installed."""
    return {name: versions.text(name) for name in versions.values if versions.has(name)}


def read_facts(fields: Fields) -> Mapping[str, str]:
    """Return what a reader of a single run wants to know of machine and kernels, as text."""
    machine = fields.nested("machine")
    facts = {name: _as_text(machine.values[name]) for name in SHOWN_FACTS if machine.has(name)}
    if machine.has("memory_bytes"):
        facts["memory"] = f"{machine.number('memory_bytes') / 2**30:.1f} GiB"
    facts["threads"] = describe_threads(fields.nested("thread_plan"))
    facts["kernels"] = fields.nested("kernels").text("sentence", "")
    facts["cut"] = fields.text("cut", "")
    facts["log"] = fields.text("log", "")
    return {name: text for name, text in facts.items() if text}


def read_quantiles(stats: Fields, extra: Fields) -> Iterator[tuple[float, float]]:
    """Give (share, seconds): of the raw rounds where they were saved, else what the summary has, slowest last."""
    steps_s = stats.numbers("data")
    if steps_s:
        yield from sample_quantiles(steps_s)
        return
    known = {0.0: stats.values.get("min"), 0.25: stats.values.get("q1"), 0.5: stats.values.get("median")}
    known |= {0.75: stats.values.get("q3"), 0.9: extra.values.get("latency_p90_s")}
    known |= {0.99: extra.values.get("latency_p99_s"), 1.0: stats.values.get("max")}
    for share, value in known.items():
        if is_number(value):
            yield share, float(value)


def sample_quantiles(steps_s: Sequence[float]) -> list[tuple[float, float]]:
    """Return the steps in order with the share of the steps that are no slower; of many steps, evenly chosen ones."""
    ordered = sorted(steps_s)
    stride = max(1, len(ordered) // MAX_QUANTILES)
    chosen = [*range(0, len(ordered) - 1, stride), len(ordered) - 1]
    return [((index + 1) / len(ordered), ordered[index]) for index in chosen]


def _as_text(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)[:300]

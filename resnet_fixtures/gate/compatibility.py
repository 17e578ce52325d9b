"""Find what makes two runs of a test incomparable, and name what may differ and be judged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from resnet_fixtures.gate.samples import Metric

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resnet_fixtures.gate.samples import Entry

# What must be equal, the first difference is named: (name, path into the facts).
COMPARED = (
    ("precision", ("precision",)),
    ("data", ("data",)),
    ("training images", ("train_digest",)),
    ("validation images", ("validation_digest",)),
    ("graph", ("graph_sha256",)),
    ("CPU model", ("machine", "cpu_model")),
    ("instruction set", ("isa",)),
    ("number of cores", ("machine", "cores")),
    ("SMT", ("machine", "smt")),
    ("CPU quota", ("thread_plan", "quota")),
    ("intra-op threads", ("thread_plan", "intra")),
    ("inter-op threads", ("thread_plan", "inter")),
    ("limit of --cpu-dma-latency", ("machine", "cpu_dma_latency_us")),
    ("number of processes", ("processes",)),
    ("threads of a process", ("rank_threads",)),
    ("top-1 to reach", ("target",)),
    ("epochs between evaluations", ("epochs_between_evals",)),
    ("emulation", ("emulated",)),
)
# Timings that do not say where they were taken are compared with nothing.
NEEDED = {"CPU model": ("machine", "cpu_model"), "thread plan": ("thread_plan", "cpus")}
OF_NO_ACCOUNT = ("seed",)  # of a recipe: the runs of a training have seeds of their own
# What may differ, as it is what is judged; the reason names it.
CHANGING = {name: ("machine", name) for name in ("kernel", "governor", "turbo", "idle_states")}
LONGEST = 80  # characters of a value in a sentence


@dataclass(frozen=True)
class Difference:
    """What differs, and both values in words."""

    name: str
    here: str
    there: str

    def describe(self, baseline_name: str) -> str:
        """Say it without the cure."""
        return f"{self.name}: {self.here} here, {self.there} in {baseline_name}"


def find_difference(baseline: Entry, run: Entry) -> Difference | None:
    """Return the first difference for which the two cannot be compared, None where they can."""
    return next(_find_differences(baseline, run), None)


def describe_changes(baseline: Mapping[str, object], run: Mapping[str, object]) -> tuple[str, ...]:
    """Name what may differ between two runs and does, such as `tensorflow 2.20.0 -> 2.21.0`."""
    versions = sorted({*_mapping(baseline, "versions"), *_mapping(run, "versions")})
    paths = {**{name: ("versions", name) for name in versions}, **CHANGING}
    pairs = ((name, look_up(baseline, path), look_up(run, path)) for name, path in paths.items())
    return tuple(
        f"{show(name)} {show(there)} -> {show(here)}" for name, there, here in pairs if not is_same(there, here)
    )


def is_same(one: object, other: object) -> bool:
    """Compare two facts as JSON has them: a list that was read is the tuple that was written."""
    try:
        return one == other or _write(one) == _write(other)
    except RecursionError:  # nested as nothing here writes
        return False


def look_up(facts: object, path: Sequence[str]) -> object:
    """Follow a path into nested facts; None where it ends early."""
    value = facts
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def show(value: object) -> str:
    """Write a value on one line, and not at any length: a stored file may hold anything."""
    text = "not known" if value is None else " ".join(str(value).split())
    printable = "".join(letter if letter.isprintable() else "?" for letter in text)
    return printable if len(printable) <= LONGEST else f"{printable[:LONGEST]}…"


def _write(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _find_differences(baseline: Entry, run: Entry) -> Iterator[Difference]:
    pairs = chain(
        [("metric", baseline.metric.value, run.metric.value), ("batch size", baseline.batch_size, run.batch_size)],
        ((name, look_up(baseline.facts, path), look_up(run.facts, path)) for name, path in COMPARED),
        [("CPUs of the thread plan", _count_cpus(baseline), _count_cpus(run))],
        [("instances' CPUs", _list_instances(baseline), _list_instances(run))],
        _compare_recipes(baseline.facts, run.facts),
    )
    yield from (Difference(name, show(here), show(there)) for name, there, here in pairs if not is_same(there, here))
    yield from _compare_kernels(baseline.facts, run.facts)
    yield from _find_unknown(baseline, run)


def _count_cpus(entry: Entry) -> int | None:
    cpus = look_up(entry.facts, NEEDED["thread plan"])
    return len(cpus) if isinstance(cpus, Sequence) else None


def _list_instances(entry: Entry) -> list[int] | None:
    """List the number of CPUs of each instance of --numa-cores-per-instance."""
    instances = entry.facts.get("instances")
    if not isinstance(instances, Sequence):
        return None
    return [len(cpus) if isinstance(cpus := look_up(one, ("cpus",)), Sequence) else 0 for one in instances]


def _compare_recipes(baseline: Mapping[str, object], run: Mapping[str, object]) -> Iterator[tuple[str, object, object]]:
    there, here = _mapping(baseline, "recipe"), _mapping(run, "recipe")
    for name in sorted({*there, *here}.difference(OF_NO_ACCOUNT)):
        yield f"{show(name).replace('_', ' ')} of the recipe", there.get(name), here.get(name)


def _compare_kernels(baseline: Mapping[str, object], run: Mapping[str, object]) -> Iterator[Difference]:
    """Compare the names of the kernels: their counts, with the same graph, are the same."""
    there, here = (set(_mapping(_mapping(facts, "kernels"), "implementations")) for facts in (baseline, run))
    if there != here:
        only_here, only_there = (", ".join(sorted(names)) or "no other" for names in (here - there, there - here))
        yield Difference("kernels on one side alone", show(only_here), show(only_there))


def _find_unknown(baseline: Entry, run: Entry) -> Iterator[Difference]:
    """Look for what neither side tells."""
    if run.metric is not Metric.ACCURACY:
        unknown = (name for name, path in NEEDED.items() if look_up(run.facts, path) is None)
        yield from (Difference(name, show(None), show(None)) for name in unknown)
    if run.metric is Metric.IMAGES_PER_S and run.batch_size < 1:
        yield Difference("batch size", show(run.batch_size), show(baseline.batch_size))
    measured = run.scored if run.metric is Metric.ACCURACY else run.samples
    stored = baseline.scored if run.metric is Metric.ACCURACY else baseline.samples
    if not measured or not stored:
        yield Difference("measurement", "there" if measured else "none", "there" if stored else "none")


def _mapping(facts: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = facts.get(name)
    return value if isinstance(value, Mapping) else {}

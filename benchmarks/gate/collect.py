"""Collect samples for benchmarks/gate/evaluate.py: many fresh processes, each timed as it is and slowed down.

A process runs its steps four times over: as they are, and with extra work of 2, 3 and 5 % of a step inside the timed
part (`--slowdowns 0` takes unchanged steps alone). The four take turns, so that whatever drifts is in all of them alike
and the extra work alone tells them apart. Every other process of a test has a busy neighbour, which takes one of its
CPUs for random spells. Each process is a line of JSON; a further call appends to the file, those that have the fewest
processes first.

    python -m benchmarks.gate.collect --out samples.jsonl --max-time 2400
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from resnet_fixtures.gate.fresh_process import FreshProcess
from resnet_fixtures.gate.sample_order import SampleOrder
from resnet_fixtures.graph.embedded import embedded_graph_file
from resnet_fixtures.hardware.cpu_latency import choose_cpu_latency_limit, cpu_latency_limit
from resnet_fixtures.hardware.facts import machine_facts
from resnet_fixtures.hardware.isa import read_isa
from resnet_fixtures.hardware.thread_plan import make_thread_plan
from resnet_fixtures.hardware.topology import read_topology
from resnet_fixtures.inference.child import ChildOrder
from resnet_fixtures.precision import Precision
from resnet_fixtures.training.leash import leash_command

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resnet_fixtures.gate.samples import ProcessSample

SLOWDOWNS = (0.0, 0.02, 0.03, 0.05)
# Takes a CPU for 1 to 12 s, rests for 2 to 20, and so on, until it is killed.
NEIGHBOUR = """
import os, random, sys, time
draw = random.Random(int(sys.argv[1]))
cpus = sys.argv[2].split(",")
while True:
    os.sched_setaffinity(0, {int(draw.choice(cpus))})
    end = time.monotonic() + draw.uniform(1, 12)
    while time.monotonic() < end:
        sum(range(10_000))
    time.sleep(draw.uniform(2, 20))
"""


class Case(NamedTuple):
    """What a process runs, and whether a neighbour disturbs it."""

    precision: Precision
    batch_size: int
    is_busy: bool


def main() -> None:
    """Collect until the time is over, on cores that stay awake where the suite would keep them so."""
    options = parse_arguments()
    with cpu_latency_limit(choose_cpu_latency_limit(None)):
        collect_all(options)


def collect_all(options: argparse.Namespace) -> None:
    """Sample the case that has the fewest processes, again and again."""
    cases = [Case(*case) for case in itertools.product(options.precisions, options.batch_sizes, options.neighbours)]
    topology = read_topology()
    plan = make_thread_plan(topology)
    facts = {"thread_plan": plan.as_dict(), "machine": machine_facts(topology, read_isa())}
    graphs = {precision: embedded_graph_file(precision, print) for precision in options.precisions}
    done = count_collected(options.out)
    end_s = time.monotonic() + options.max_time
    while time.monotonic() < end_s:
        case = min(cases, key=lambda case: done[case])
        child = ChildOrder(graphs[case.precision], case.precision, plan, case.batch_size)
        sample = collect(case, child, options.slowdowns, number=done[case])
        append(options.out, {**describe(case), **sample, "facts": facts})
        done[case] += 1
        print(f"{done.total()}: {case.precision} batch {case.batch_size} {'busy' if case.is_busy else 'idle'}")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the file of samples, appended to")
    parser.add_argument("--max-time", type=float, default=2400, metavar="SECONDS", help="default %(default)s")
    parser.add_argument("--precisions", type=Precision, nargs="*", default=[Precision.INT8, Precision.FP32])
    parser.add_argument("--batch-sizes", type=int, nargs="*", default=[1, 16])
    parser.add_argument("--neighbours", type=lambda text: text == "busy", nargs="*", default=[False, True],
                        help="idle, busy, or both")  # fmt: skip
    parser.add_argument("--slowdowns", type=float, nargs="*", default=SLOWDOWNS, metavar="SHARE",
                        help="extra work of a step, 0 for none; default %(default)s")  # fmt: skip
    return parser.parse_args()


def count_collected(path: Path) -> Counter[Case]:
    """Count the processes of each case in the file."""
    return Counter(Case(Precision(line["precision"]), line["batch_size"], line["is_busy"]) for line in read_lines(path))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a file, none where there is no file; one that a killed run cut off is left out."""
    written = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in written[: written.rfind("\n") + 1].splitlines()]


def append(path: Path, content: object) -> None:
    """Add a line, in the place of one that a killed run cut off."""
    whole = path.read_bytes() if path.exists() else b""
    with path.open("ab") as file:
        file.truncate(whole.rfind(b"\n") + 1)
        file.write(json.dumps(content).encode() + b"\n")


def collect(case: Case, child: ChildOrder, slowdowns: Sequence[float], number: int) -> dict[str, object]:
    """Sample one process; `number`, its own of its case, seeds the neighbour and chooses the order of slowdowns."""
    orders = list(itertools.permutations(slowdowns))
    turns = orders[7 * number % len(orders)]  # 7, so that those in turn differ in their first
    order = SampleOrder(child, reference_file=child.graph_file)
    with neighbour(number, child.plan.cpus, is_busy=case.is_busy):
        start_s = time.monotonic()
        with FreshProcess(order) as process:
            greeting = process.prepare()
            start_up_s = time.monotonic() - start_s
            steps = order.budget.plan_steps(greeting.warmup_s)
            samples = run_in_turns(process, steps, turns)
    return {
        "time": time.time(),
        "start_up_s": start_up_s,
        "warmup_s": greeting.warmup_s,
        "reference": greeting.reference,
        "versions": greeting.versions,
        "conditions": [
            {"slowdown": slowdown, "steps_s": sample.steps_s, "reference_s": sample.reference_s}
            for slowdown, sample in samples.items()
        ],
    }


def run_in_turns(process: FreshProcess, steps: int, slowdowns: Sequence[float]) -> dict[float, ProcessSample]:
    """Run so many steps of each slowdown, in as many turns as there are slowdowns; each is once at every place."""
    samples: dict[float, ProcessSample] = {}
    for turn in range(len(slowdowns)):
        turn_steps = steps * (turn + 1) // len(slowdowns) - steps * turn // len(slowdowns)
        for slowdown in (*slowdowns[turn:], *slowdowns[:turn]):
            sample = process.run(turn_steps, slowdown)
            samples[slowdown] = join(samples[slowdown], sample) if turn else sample
    return samples


def join(first: ProcessSample, then: ProcessSample) -> ProcessSample:
    """Put the steps of one sample behind another's."""
    return replace(first, steps_s=first.steps_s + then.steps_s, reference_s=first.reference_s + then.reference_s)


def describe(case: Case) -> dict[str, object]:
    """Name the case as the file does."""
    return {"precision": str(case.precision), "batch_size": case.batch_size, "is_busy": case.is_busy}


@contextmanager
def neighbour(seed: int, cpus: tuple[int, ...], *, is_busy: bool) -> Iterator[None]:
    """Let a neighbour run beside the block, if it is to be busy."""
    if not is_busy:
        yield
        return
    command = [sys.executable, "-c", NEIGHBOUR, str(seed), ",".join(map(str, cpus))]
    with subprocess.Popen(leash_command("KILL", command, is_rank=False)) as process:  # else it outlives a killed run
        try:
            yield
        finally:
            process.kill()


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    main()

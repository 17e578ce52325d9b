"""Time inference as the gate wants it: in several fresh processes, or in pairs with the other side."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from resnet_fixtures.gate_options import GateMode
from resnet_fixtures.gating import Gate, tolerance_fact
from resnet_fixtures.timing.measurement import Measurement

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pytest

    from resnet_fixtures.gate.sample_order import SampleOrder
    from resnet_fixtures.gate.samples import Entry, ProcessSample
    from resnet_fixtures.gating import Pair
    from resnet_fixtures.graph.store import GraphStore
    from resnet_fixtures.inference.child import ChildOrder
    from resnet_fixtures.suite import Suite


@dataclass
class GatedInference:
    """Samples one test's graph and concludes; `facts` are its result fields, `child` says what a process runs."""

    gate: Gate
    suite: Suite
    item: pytest.Item
    child: ChildOrder
    facts: Mapping[str, object]
    _pairs: int = 0

    def __call__(self) -> tuple[Measurement, dict[str, object]]:
        """Sample until the gate has decided; return all steps as one measurement, and the gate's result fields."""
        if self.gate.options.mode is GateMode.AGAINST:
            entry = self.gate.sample_pairs(self._entry(), self._draw_pair)
        else:
            entry = self.gate.sample(self._entry(), self._draw)
        return join_samples(entry), gate_fields(self.gate, entry)

    def _entry(self) -> Entry:
        from resnet_fixtures.gate.samples import Entry, Metric

        metric = Metric.LATENCY_S if self.facts["mode"] == "online" else Metric.IMAGES_PER_S
        facts = {**self.facts, **tolerance_fact(self.item), **self._reference_fact()}
        return Entry(self.item.nodeid, metric, self.child.batch_size, facts)

    def _reference_fact(self) -> dict[str, object]:
        from resnet_fixtures.gate.reference_kernel import reference_facts

        if self.gate.options.mode is GateMode.AGAINST:  # both sides run in turns, without a reference
            return {}
        graph = self._graphs.embedded_graph(self.child.precision)
        return {"reference": reference_facts(graph, self.child.plan.intra, self.child.batch_size)}

    @property
    def _graphs(self) -> GraphStore:
        assert self.suite.graphs is not None, "preflight has checked the inputs"
        return self.suite.graphs

    def _draw(self) -> ProcessSample:
        from resnet_fixtures.gate.fresh_process import draw_sample

        order = self._order(self.child, self._graphs.embedded_file(self.child.precision))
        return draw_sample(order, self.suite.environ)

    def _draw_pair(self) -> Pair:
        from resnet_fixtures.gate.interleaved import Side, draw_pair
        from resnet_fixtures.gate.other_python import other_interpreter

        options = self.gate.options
        other = replace(self.child, graph_file=options.against_graph or self.child.graph_file)
        self._pairs += 1
        with other_interpreter(options.against_python) as interpreter:
            return draw_pair(
                Side(self._order(other), interpreter),
                Side(self._order(self.child)),
                self.suite.environ,
                is_this_first=self._pairs % 2 == 0,
            )

    def _order(self, child: ChildOrder, reference_file: Path | None = None) -> SampleOrder:
        from resnet_fixtures.gate.sample_order import SampleBudget, SampleOrder

        options = self.suite.options
        budget = SampleBudget(options.budget.warmup_steps, steps=options.steps or SampleBudget.steps)
        return SampleOrder(child, budget, reference_file)


def join_samples(entry: Entry) -> Measurement:
    """Return the steps of all processes as one measurement."""
    warmup_s = chain.from_iterable(sample.warmup_s for sample in entry.samples)
    steps_s = chain.from_iterable(sample.steps_s for sample in entry.samples)
    return Measurement(max(1, entry.batch_size), tuple(warmup_s), tuple(steps_s), is_pooled=True)


def gate_fields(gate: Gate, entry: Entry) -> dict[str, object]:
    """Name what the gate adds to a test's result: its processes, and the verdict if there is one."""
    judgement = gate.judgements.get(entry.test)
    return {
        "gate_processes": len(entry.samples),
        "gate_process_medians_s": [statistics.median(sample.steps_s) for sample in entry.samples],
        **({"gate": judgement.as_dict()} if judgement else {}),
    }

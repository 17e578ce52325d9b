"""One timed run, from the fixtures to the result: single session or several instances side by side."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from resnet_fixtures.gating import find_gate
from resnet_fixtures.hardware.facts import machine_facts
from resnet_fixtures.hardware.thread_plan import idle_cpus, instance_plans
from resnet_fixtures.live import LiveTerminal
from resnet_fixtures.markers import replay_clock
from resnet_fixtures.report.seed_log import SeedLog, open_seed_log
from resnet_fixtures.suite import RESULT, SUITE, Suite
from resnet_fixtures.timing.benchmark_adaptor import measure, record, refuse_second_timing
from resnet_fixtures.timing.measurement import Measurement
from resnet_fixtures.timing.replay import replay
from resnet_fixtures.versions import result_versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from resnet_fixtures.gating import Gate
    from resnet_fixtures.graph.frozen import FrozenGraph
    from resnet_fixtures.inference.common_window import InstanceResult
    from resnet_fixtures.inference.kernels import KernelProof


@dataclass(frozen=True)
class TimedInference:
    """Times the test's graph at its batch size, writes log and result, and returns the measurement."""

    request: pytest.FixtureRequest
    benchmark: Any
    graph: FrozenGraph
    graph_file: Path
    batch_size: int

    def __call__(self) -> Measurement:
        """Run warm-ups and steps as the options say."""
        refuse_second_timing(self.benchmark, self.request.node.nodeid)
        self.benchmark.group = f"{self.graph.precision}-bs{self.batch_size}"
        facts = self._facts()  # the kernels are looked for before anything is timed
        live = LiveTerminal(self.request.config)
        echo = live.write if live.is_verbose else None
        with open_seed_log(
            self._suite.options.output_dir, self.graph.precision, datetime.now().astimezone(), echo
        ) as log:
            log.banner("dummy" if self._suite.split is None else "real")
            gate = find_gate(self.request.config)
            if gate is not None:
                measurement, more = self._time_under_gate(gate, facts, log)
            elif self._suite.options.cores_per_instance is None:
                measurement, more = self._time_session(log), dict[str, object]()
            else:
                measurement, more = self._time_instances(log)
        self._record(measurement, facts, {**more, **self._time_pipeline(), "log": str(log.path)})
        return measurement

    @cached_property
    def kernels(self) -> KernelProof:
        """Proof of the kernels that the graph runs."""
        from resnet_fixtures.inference.kernels import executed_kernels

        return executed_kernels(
            self.graph_file,
            self.graph.precision,
            self.batch_size,
            self._suite.plan,
            self._suite.environ,
        )

    @property
    def _suite(self) -> Suite:
        return self.request.config.stash[SUITE]

    @property
    def _is_embedded(self) -> bool:
        return not self._suite.options.graph_paths(self.graph.precision)

    def _facts(self) -> dict[str, object]:
        return {
            "precision": str(self.graph.precision),
            "mode": "online" if self.batch_size == 1 else "batch",
            "data": "dummy" if self._suite.split is None else "imagenet",
            "graph": "embedded" if self._is_embedded else str(self.graph_file),
            "graph_sha256": self.graph.sha256,
            "thread_plan": self._suite.plan.as_dict(),
            "isa": self._suite.isa.name,
            "versions": result_versions(),
            "kernels": self.kernels.as_dict(),
            "emulated": self.kernels.is_precision_proven and not self.kernels.is_native,
            "machine": machine_facts(self._suite.topology, self._suite.isa),
        }

    def _time_session(self, log: SeedLog) -> Measurement:
        from resnet_fixtures.inference.timed_run import time_session

        images = self.request.getfixturevalue("image_batch")
        session = self.request.getfixturevalue("tf_session")
        return time_session(self.benchmark, session, images, self._suite.options.budget, log)

    def _time_under_gate(
        self, gate: Gate, facts: dict[str, object], log: SeedLog
    ) -> tuple[Measurement, dict[str, object]]:
        from resnet_fixtures.gated_inference import GatedInference
        from resnet_fixtures.inference.child import ChildOrder
        from resnet_fixtures.inference.timed_run import write_log

        suite, item = self._suite, self.request.node
        clock = replay_clock(item)
        with tempfile.TemporaryDirectory() as folder:
            images = self._save_images(Path(folder))
            child = ChildOrder(self.graph_file, self.graph.precision, suite.plan, self.batch_size, images)
            measurement, more = GatedInference(gate, suite, item, child, facts)()
        replay(self.benchmark, clock, measurement.steps_s)
        write_log(log, measurement, logged=False)
        return measurement, more

    def _time_pipeline(self) -> dict[str, object]:
        if self._suite.split is None:
            return {}
        from resnet_fixtures.data.throughput import MAX_TIME_S, measure_pipeline

        max_time_s = min(MAX_TIME_S, self._suite.options.budget.max_time_s)
        images = self.request.getfixturevalue("imagenet")
        return {"pipeline_images_per_s": measure_pipeline(images, self.batch_size, max_time_s)}

    def _time_instances(self, log: SeedLog) -> tuple[Measurement, dict[str, object]]:
        from resnet_fixtures.inference.common_window import common_window
        from resnet_fixtures.inference.instances import Instances
        from resnet_fixtures.inference.timed_run import write_instances

        suite, precision = self._suite, self.graph.precision
        assert suite.options.cores_per_instance is not None
        plans = instance_plans(suite.topology, suite.plan, suite.options.cores_per_instance)
        with tempfile.TemporaryDirectory() as folder:
            images = self._save_images(Path(folder))
            with Instances(self.graph_file, precision, plans, self.batch_size, images, suite.environ) as instances:
                warmup = instances.warm_up(suite.options.budget)
                rounds = measure(self.benchmark, instances.wait_step, self.batch_size, suite.options.budget, warmup)
                results = instances.results()
        window = common_window(results)
        steps_s = tuple(step for result in results for step in result.steps_s)
        measurement = Measurement(self.batch_size, rounds.warmup_s, steps_s, rounds.cut, is_pooled=True)
        write_instances(log, results)
        return measurement, {
            "images_per_s": window.total_images_per_s,
            "window_s": window.length_s,
            "instances": describe_instances(results, window.images_per_s),
            "idle_cpus": list(idle_cpus(suite.plan, plans)),
        }

    def _save_images(self, folder: Path) -> Path | None:
        if self._suite.split is None:
            return None
        import numpy as np

        path = folder / "images.npy"
        np.save(path, self.request.getfixturevalue("image_batch"))
        return path

    def _record(self, measurement: Measurement, facts: dict[str, object], more: dict[str, object]) -> None:
        record(self.benchmark, measurement, facts)
        fields = {name: value for name, value in {**self.benchmark.extra_info, **more}.items() if value is not None}
        self.benchmark.extra_info.clear()
        self.benchmark.extra_info.update(fields)
        self.request.node.stash[RESULT] = fields
        for name in ("images_per_s", "latency_median_s", "graph_sha256"):
            self.request.node.user_properties.append((name, fields[name]))


def describe_instances(results: Sequence[InstanceResult], images_per_s: Sequence[float]) -> list[dict[str, object]]:
    """Return each instance's CPUs, throughput in the common window and median latency."""
    return [
        {
            "cpus": list(result.plan.cpus),
            "images_per_s": rate,
            "latency_median_s": median(result.steps_s),
            "steps": len(result.steps_s),
        }
        for result, rate in zip(results, images_per_s, strict=True)
    ]

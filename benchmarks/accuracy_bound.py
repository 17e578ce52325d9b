"""Compare an accuracy run over TFRecords, JPEG decoding included, with the bound of its two parts, at batch 100.

The bound is what inference and decoding would reach with no time lost between them:

    1 / (1 / inference + decode work per image / cores)     images a second

where inference is the throughput of the prepared call alone on one batch, and the decode work that of one core: one
reader's thread, pinned to one core. The three are measured in turns (A B C, A B C) in one process, after one turn that
does not count; the printed figure is the median of the rounds' ratios, of each round's own bound. Beside each round
stands the share of the CPU time that other processes took, from /proc/stat, so that noisy rounds can be told.

    python -m benchmarks.accuracy_bound [--data-location DIR] [--in-graph int8.pb] [--rounds 5]

Without a data location it writes TFRecords of 300 JPEGs of 500x375 pixels, cut out of scikit-learn's two sample images,
into a temporary folder. The figure to reach is 0.9.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_fixtures.accuracy.evaluate import evaluate
from resnet_fixtures.data.imagenet import LabelledImages, find_split
from resnet_fixtures.data.preprocess import Preprocessing
from resnet_fixtures.data.records import make_example, write_records
from resnet_fixtures.graph.embedded import embedded_graph_file
from resnet_fixtures.graph.frozen import load_frozen_graph
from resnet_fixtures.hardware.library_environment import inference_library_environment
from resnet_fixtures.hardware.pinning import pinned, with_environment
from resnet_fixtures.hardware.thread_plan import ThreadPlan, make_thread_plan
from resnet_fixtures.hardware.topology import read_topology
from resnet_fixtures.inference.session import InferenceSession
from resnet_fixtures.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Iterator

    import tensorflow as tf

BATCH_SIZE = 100
INFERENCE_STEPS = 3
PHOTOGRAPHS, HEIGHT, WIDTH, QUALITY = 300, 375, 500, 92  # ImageNet's usual size; about 110 kB each


@dataclass(frozen=True)
class Round:
    """Throughputs in images a second, and the share (0..1) of the machine's CPU time that other processes took."""

    evaluation: float
    inference: float
    decoding_on_one_core: float
    foreign_share: float

    def bound(self, cores: int) -> float:
        """Give the throughput of inference and decoding without any loss between them."""
        return 1 / (1 / self.inference + 1 / (self.decoding_on_one_core * cores))

    def ratio(self, cores: int) -> float:
        """Give the share of the bound that the evaluation reached."""
        return self.evaluation / self.bound(cores)


def main() -> None:
    """Print each round, then the median of the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-location", type=Path, help="validation split (default: photographs made on the spot)")
    parser.add_argument("--in-graph", type=Path, help="int8 graph (default: the embedded one)")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    plan = make_thread_plan(read_topology())
    with (
        with_environment(inference_library_environment(plan, os.environ)),
        pinned(plan.cpus),
        data_location(options.data_location) as location,
    ):
        graph = load_frozen_graph(options.in_graph or embedded_graph_file(Precision.INT8, print), Precision.INT8)
        preprocessing = Preprocessing.for_image_size(graph.image_size)
        images = LabelledImages(find_split(location), preprocessing, graph.classes, plan.data_intra)
        print(f"{images.split.describe()}; {plan.describe()}")
        with InferenceSession(graph, plan) as session:
            measure_round(session, images, plan)  # not counted
            rounds = [measure_round(session, images, plan) for _ in range(options.rounds)]
    report(rounds, len(plan.cpus))


def report(rounds: list[Round], cores: int) -> None:
    """Print a line for each round and the figure."""
    for number, one in enumerate(rounds, start=1):
        print(
            f"round {number}: evaluation {one.evaluation:.1f} images/s, bound {one.bound(cores):.1f} "
            f"(inference {one.inference:.1f}, decoding {one.decoding_on_one_core:.1f} on one core), "
            f"ratio {one.ratio(cores):.3f}, other processes {one.foreign_share:.0%} of the CPU time"
        )
    print(f"ratio {statistics.median(one.ratio(cores) for one in rounds):.3f} ({len(rounds)} rounds, median)")


def measure_round(session: InferenceSession, images: LabelledImages, plan: ThreadPlan) -> Round:
    """Measure the whole and its two parts, one after the other."""
    before = read_cpu_times()
    whole = evaluate(session, images.split, images.preprocessing, BATCH_SIZE, plan).images_per_s
    assert whole is not None
    inference, decoding = measure_inference(session, images), measure_decoding(images, plan)
    return Round(whole, inference, decoding, foreign_share(before, read_cpu_times()))


def measure_inference(session: InferenceSession, images: LabelledImages) -> float:
    """Return the throughput of the prepared call on one batch of the data."""
    batch = next(images.batches(BATCH_SIZE)).images
    session.predict(batch)
    steps_s = []
    for _ in range(INFERENCE_STEPS):
        start_ns = time.perf_counter_ns()
        session.predict(batch)
        steps_s.append((time.perf_counter_ns() - start_ns) / 1e9)
    return len(batch) / statistics.median(steps_s)


def measure_decoding(images: LabelledImages, plan: ThreadPlan) -> float:
    """Return the throughput of reading, decoding and preprocessing on one thread and one core."""
    one_thread = replace(images, threads=1)
    with pinned(plan.cpus[:1]):
        start_ns, read = time.perf_counter_ns(), 0
        for batch in islice(one_thread.batches(BATCH_SIZE), 2):
            read += len(batch.labels)
        return read / ((time.perf_counter_ns() - start_ns) / 1e9)


@dataclass(frozen=True)
class CpuTimes:
    """Seconds of all CPUs together since the machine started, and those of this process."""

    busy_s: float
    total_s: float
    own_s: float


def read_cpu_times() -> CpuTimes:
    """Read the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal, in clock ticks."""
    ticks = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    seconds = [tick / os.sysconf("SC_CLK_TCK") for tick in ticks]
    idle_s = seconds[3] + seconds[4]
    return CpuTimes(sum(seconds) - idle_s, sum(seconds), time.process_time())


def foreign_share(before: CpuTimes, after: CpuTimes) -> float:
    """Return the share of the CPU time between two readings that was neither idle nor this process'."""
    foreign_s = (after.busy_s - before.busy_s) - (after.own_s - before.own_s)
    return max(0.0, foreign_s / (after.total_s - before.total_s))


@contextmanager
def data_location(given: Path | None) -> Iterator[Path]:
    """Give the folder of the images: the one that was given, or a temporary one with photographs."""
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory() as folder:
        examples = list(make_photographs())
        write_records(Path(folder) / "validation-00000-of-00002", examples[: PHOTOGRAPHS // 2])
        write_records(Path(folder) / "validation-00001-of-00002", examples[PHOTOGRAPHS // 2 :])
        yield Path(folder)


def make_photographs() -> Iterator[tf.train.Example]:
    """Cut landscapes out of china.jpg and flower.jpg (640x427 each), every one at another place."""
    import tensorflow as tf

    folder = resources.files("sklearn.datasets.images")
    photographs = [tf.io.decode_jpeg((folder / name).read_bytes()) for name in ("china.jpg", "flower.jpg")]
    for number in range(PHOTOGRAPHS):
        top, left = number % (427 - HEIGHT), 7 * number % (640 - WIDTH)
        pixels = photographs[number % 2][top : top + HEIGHT, left : left + WIDTH]
        jpeg = tf.io.encode_jpeg(pixels, quality=QUALITY).numpy()
        yield make_example(jpeg, 1 + number % 1000, f"photograph_{number}.JPEG", (HEIGHT, WIDTH, 3))


if __name__ == "__main__":
    main()

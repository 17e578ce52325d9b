from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.precision import Precision
from resnet_fixtures.report.seed_log import SeedLog, open_seed_log
from resnet_fixtures.timing.measurement import Measurement
from tests.plugin.full_disk import full_disk

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 23, 15, 4, 5)

# The tails that the README of Intel's launch_benchmark.py shows, less the lines of lscpu.
ONLINE = """\
Inference with dummy data.
Iteration 1: 2.761204 sec
Iteration 2: 0.011155 sec
Average time: 0.009481 sec
Batch size = 1
Latency: 9.481 ms
Throughput: 105.470 images/sec
Ran inference with batch size 1
"""
BATCH = """\
Inference with real data.
Average time: 0.534427 sec
Batch size = 128
Throughput: 239.509 images/sec
Ran inference with batch size 128
"""
ACCURACY = """\
Iteration time: 514.4270 ms
Processed 49900 images. (Top1 accuracy, Top5 accuracy) = (0.7650, 0.9307)
Iteration time: 512.0000 ms
Processed 50000 images. (Top1 accuracy, Top5 accuracy) = (0.7651, 0.9307)
Ran inference with batch size 100
"""


def location(path: Path) -> str:
    return f"Log file location: {path}\n"


def test_online_log_has_the_seed_s_lines(tmp_path: Path) -> None:
    with open_seed_log(tmp_path, Precision.FP32, NOW) as log:
        log.banner("dummy")
        log.iteration(1, 2.761204)
        log.iteration(2, 0.011155)
        log.performance(Measurement(batch_size=1, warmup_s=(2.761204,), steps_s=(0.00948, 0.00948274)))
        log.finish(1)
    assert log.path == tmp_path / "benchmark_resnet50v1_5_inference_fp32_20261123_150405.log"
    assert log.path.read_text() == ONLINE + location(log.path)


def test_batch_log_has_no_latency_line(tmp_path: Path) -> None:
    with open_seed_log(tmp_path, Precision.INT8, NOW) as log:
        log.banner("real")
        log.performance(Measurement(batch_size=128, warmup_s=(), steps_s=(0.534427,)))
        log.finish(128)
    assert log.path.read_text() == BATCH + location(log.path)


def test_throughput_comes_from_the_average_not_from_the_median(tmp_path: Path) -> None:
    with open_seed_log(tmp_path, Precision.INT8, NOW) as log:
        log.performance(Measurement(batch_size=2, warmup_s=(9.0,), steps_s=(1.0, 1.0, 4.0)))
    assert "Average time: 2.000000 sec\nBatch size = 2\nThroughput: 1.000 images/sec\n" in log.path.read_text()


def test_accuracy_log_names_milliseconds_and_means_them(tmp_path: Path) -> None:
    with open_seed_log(tmp_path, Precision.BF16, NOW) as log:
        log.accuracy(49_900, 0.76496, 0.93066, 0.514427)
        log.accuracy(50_000, 0.7651, 0.9307, 0.512)
        log.finish(100, tmp_path / "elsewhere.log")
    assert log.path.name == "benchmark_resnet50v1_5_inference_bf16_20261123_150405.log"
    assert log.path.read_text() == ACCURACY + location(tmp_path / "elsewhere.log")


def test_people_s_scripts_find_their_numbers(tmp_path: Path) -> None:
    with open_seed_log(tmp_path, Precision.FP32, NOW) as log:
        log.performance(Measurement(batch_size=128, warmup_s=(), steps_s=(0.5,)))
        log.accuracy(50_000, 0.7651, 0.9307, 0.5)
    text = log.path.read_text()
    [throughput] = [line.split()[1] for line in text.splitlines() if "Throughput" in line]  # grep | awk '{print $2}'
    assert throughput == "256.000"
    assert re.findall(r"Processed 50000 images\..* = \((.*), (.*)\)", text) == [("0.7651", "0.9307")]


def test_lines_are_echoed_and_on_disk_at_once(tmp_path: Path) -> None:
    echoed: list[str] = []
    with open_seed_log(tmp_path, Precision.INT8, NOW, echoed.append) as log:
        log.banner("dummy")
        log.iteration(1, 0.5)
        assert log.path.read_text() == "Inference with dummy data.\nIteration 1: 0.500000 sec\n"
    assert echoed == ["Inference with dummy data.", "Iteration 1: 0.500000 sec"]


def test_crash_keeps_the_lines_and_never_says_that_inference_ran(tmp_path: Path) -> None:
    def crash(log: SeedLog) -> None:
        with log:
            log.iteration(1, 0.5)
            raise RuntimeError("out of memory")

    log = open_seed_log(tmp_path, Precision.INT8, NOW)
    with pytest.raises(RuntimeError, match="out of memory"):
        crash(log)
    assert log.path.read_text() == "Iteration 1: 0.500000 sec\n"
    with pytest.raises(ValueError, match="closed file"):
        log.iteration(2, 0.5)


def test_logs_of_the_same_second_never_share_a_file(tmp_path: Path) -> None:
    def write_log(number: int) -> str:
        with open_seed_log(tmp_path, Precision.INT8, NOW) as log:
            log.iteration(number, 0.5)
        return log.path.name

    with ThreadPoolExecutor(16) as pool:
        names = set(pool.map(write_log, range(16)))
    stem = "benchmark_resnet50v1_5_inference_int8_20261123_150405"
    assert names == {f"{stem}.log"} | {f"{stem}_{number}.log" for number in range(1, 16)}
    assert {path.read_text() for path in tmp_path.iterdir()} == {f"Iteration {n}: 0.500000 sec\n" for n in range(16)}


def test_earlier_log_is_never_overwritten(tmp_path: Path) -> None:
    earlier = tmp_path / "benchmark_resnet50v1_5_inference_int8_20261123_150405.log"
    earlier.write_text("precious")
    open_seed_log(tmp_path, Precision.INT8, NOW).__exit__(None, None, None)
    assert earlier.read_text() == "precious"


def test_folder_is_created_with_its_parents(tmp_path: Path) -> None:
    with open_seed_log(tmp_path / "a" / "b", Precision.INT8, NOW) as log:
        assert log.path.parent == tmp_path / "a" / "b"


@pytest.mark.parametrize("folder", ["file", "file/below"])
def test_output_dir_that_cannot_be_written_is_the_user_s_error(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_text("in the way")
    message = rf"^--output-dir .*/{folder} cannot be written \(.+\): pass a folder that you may write to\.$"
    with pytest.raises(InputError, match=message):
        open_seed_log(tmp_path / folder, Precision.INT8, NOW)


def test_path_that_is_not_utf_8_is_logged_escaped(tmp_path: Path) -> None:
    with open_seed_log(tmp_path / os.fsdecode(b"o\xff"), Precision.FP32, NOW) as log:
        log.locate()
    assert log.path.read_text() == location(tmp_path / r"o\udcff" / log.path.name)


def test_training_log_has_the_launcher_s_lines(tmp_path: Path) -> None:
    with open_seed_log(tmp_path, Precision.BF16, NOW, mode="training") as log:
        log.loss(0, 6.9077554, None)
        log.loss(100, 5.5, 12.3456)
        log.accuracy(50_000, 0.7591, 0.9301, None)
        log.locate()
    assert log.path == tmp_path / "benchmark_resnet50v1_5_training_bf16_20261123_150405.log"
    assert log.path.read_text() == (
        "loss = 6.907755, step = 0\n"
        "loss = 5.500000, step = 100 (12.346 sec)\n"
        "Processed 50000 images. (Top1 accuracy, Top5 accuracy) = (0.7591, 0.9301)\n"
        f"Log file location: {log.path}\n"
    )


def test_training_and_inference_of_a_second_have_logs_of_their_own_names(tmp_path: Path) -> None:
    modes: tuple[Literal["inference", "training"], ...] = ("inference", "training")
    for mode in modes:
        open_seed_log(tmp_path, Precision.FP32, NOW, mode=mode).__exit__(None, None, None)
    assert len(list(tmp_path.iterdir())) == 2
    assert not list(tmp_path.glob("*_1.log"))


@pytest.mark.parametrize("lines", [1, 100])
def test_a_full_disk_is_told_in_one_sentence(tmp_path: Path, lines: int) -> None:
    def write() -> None:
        with open_seed_log(tmp_path, Precision.INT8, NOW) as log:
            for number in range(lines):
                log.iteration(number, 0.5)

    sentence = r"inference_int8_.+log cannot be written \(File too large\): make room, or pass another --output-dir\.$"
    with pytest.raises(InputError, match=sentence), full_disk(10):
        write()

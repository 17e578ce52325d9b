"""Write the log of a run with the lines of Intel's launch_benchmark.py, so that people's scripts go on working."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Literal

from resnet_fixtures.errors import InputError
from resnet_fixtures.unique_file import reserve_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from types import TracebackType
    from typing import TextIO

    from resnet_fixtures.precision import Precision
    from resnet_fixtures.timing.measurement import Measurement


class SeedLog:
    """One log file, closed at the end of the `with` block; the echo gets its lines. A full disk is an InputError."""

    def __init__(self, file: TextIO, echo: Callable[[str], object] | None = None) -> None:
        self.path = Path(file.name)
        self._file = file
        self._echo = echo

    @property
    def is_live(self) -> bool:
        """Tell whether somebody reads along."""
        return self._echo is not None

    def __enter__(self) -> SeedLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._file.close()
        except OSError as failure:
            if error is None:
                raise self._refuse(failure) from failure

    def banner(self, data: Literal["dummy", "real"]) -> None:
        """Say which images are fed."""
        self._write(f"Inference with {data} data.")

    def loss(self, step: int, loss: float, seconds: float | None) -> None:
        """Log a step, counted from 0, and the seconds since the last one that was logged (None: it is the first)."""
        since = "" if seconds is None else f" ({seconds:.3f} sec)"
        self._write(f"loss = {loss:.6f}, step = {step}{since}")

    def iteration(self, number: int, seconds: float) -> None:
        """Log one step; the seed counts warm-ups and measured steps in one row, from 1."""
        self._write(f"Iteration {number}: {seconds:.6f} sec")

    def instance(self, number: int, cpus: str) -> None:
        """Head the lines of one of several instances; the seed has a log for each and sums up their throughputs."""
        self._write(f"Instance {number} on CPUs {cpus}")

    def performance(self, measurement: Measurement) -> None:
        """Log the averages of the measured steps; the latency only for batch 1, as the seed does."""
        average_s = fmean(measurement.steps_s)
        self._write(f"Average time: {average_s:.6f} sec")
        self._write(f"Batch size = {measurement.batch_size}")
        if measurement.batch_size == 1:
            self._write(f"Latency: {average_s * 1000:.3f} ms")
        self._write(f"Throughput: {measurement.batch_size / average_s:.3f} images/sec")

    def accuracy(self, images: int, top1: float, top5: float, iteration_s: float | None) -> None:
        """Log the accuracy over the images so far and the time of the last batch, in the milliseconds that it names.

        Without a time (None) there was no batch: an interrupted run had scored them all.
        """
        if iteration_s is not None:
            self._write(f"Iteration time: {iteration_s * 1000:.4f} ms")
        self._write(f"Processed {images} images. (Top1 accuracy, Top5 accuracy) = ({top1:.4f}, {top5:.4f})")

    def finish(self, batch_size: int, path: Path | None = None) -> None:
        """Log the end of a run that succeeded, and where its log is (by default this file)."""
        self._write(f"Ran inference with batch size {batch_size}")
        self.locate(path)

    def locate(self, path: Path | None = None) -> None:
        """Log where the log is (by default this file)."""
        self._write(f"Log file location: {path or self.path}")

    def _write(self, line: str) -> None:
        try:
            self._file.write(f"{line}\n")
        except OSError as error:
            raise self._refuse(error) from error
        if self._echo:
            self._echo(line)

    def _refuse(self, error: OSError) -> InputError:
        return InputError(f"{self.path} cannot be written ({error.strerror}): make room, or pass another --output-dir.")


def open_seed_log(
    output_dir: Path,
    precision: Precision,
    now: datetime,
    echo: Callable[[str], object] | None = None,
    mode: Literal["inference", "training"] = "inference",
) -> SeedLog:
    """Create the folder and a new log named by mode, precision and time, never one that exists.

    A second log of the same second gets _1 behind its name, a third _2. A folder that cannot be made or written is an
    InputError.
    """
    stem = f"benchmark_resnet50v1_5_{mode}_{precision}_{now:%Y%m%d_%H%M%S}"
    path = reserve_file(output_dir, stem, ".log")
    # Line by line, so that a crash keeps what was written; its own path need not be UTF-8.
    return SeedLog(path.open("w", encoding="utf-8", errors="backslashreplace", buffering=1), echo)

"""The request for short wake-ups, in a folder that stands in for the machine's root, and on this kernel."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.hardware.cpu_latency import (
    DEVICE,
    NO_LIMIT_US,
    choose_cpu_latency_limit,
    cpu_latency_limit,
    read_cpu_latency_limit,
)
from resnet_fixtures.hardware.kernel_file import CPUS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    FakeRoot = Callable[[Mapping[str, str]], Path]

DRIVER = f"{CPUS}/cpuidle/current_driver"


@pytest.mark.parametrize(
    ("files", "limit_us"),
    [
        ({DRIVER: "haltpoll", DEVICE: ""}, 0),
        ({DRIVER: "haltpoll"}, None),
        ({DRIVER: "intel_idle", DEVICE: ""}, None),
        ({DEVICE: ""}, None),
    ],
    ids=["virtual machine", "virtual machine that does not allow it", "bare metal", "no driver"],
)
def test_cores_of_a_virtual_machine_are_kept_awake(
    fake_root: FakeRoot, files: dict[str, str], limit_us: int | None
) -> None:
    assert choose_cpu_latency_limit(None, fake_root(files)) == limit_us


@pytest.mark.parametrize(("requested", "limit_us"), [("system", None), (20, 20), (0, 0)])
def test_what_was_asked_for_is_done(
    fake_root: FakeRoot, requested: int | Literal["system"], limit_us: int | None
) -> None:
    assert choose_cpu_latency_limit(requested, fake_root({DRIVER: "haltpoll", DEVICE: ""})) == limit_us


def test_the_request_is_written_and_the_device_is_held_open(fake_root: FakeRoot) -> None:
    root = fake_root({DRIVER: "haltpoll", DEVICE: ""})
    with cpu_latency_limit(0, root):
        assert (root / DEVICE).read_bytes()[:4] == struct.pack("=i", 0)
        assert str(root / DEVICE) in list_open_files()
    assert str(root / DEVICE) not in list_open_files()


def test_an_error_under_the_request_is_passed_on(fake_root: FakeRoot) -> None:
    root = fake_root({DRIVER: "haltpoll", DEVICE: ""})
    with pytest.raises(OSError, match="of the test's own"), cpu_latency_limit(0, root):
        raise OSError("of the test's own")
    assert str(root / DEVICE) not in list_open_files()


@pytest.mark.parametrize(
    ("files", "limit_us", "sentence"),
    [
        ({DRIVER: "haltpoll"}, 0, r"^--cpu-dma-latency 0 needs to write to .*dev/cpu_dma_latency \(No such file"),
        ({DRIVER: "none", DEVICE: ""}, 2, r"^--cpu-dma-latency 2 has no effect, as this kernel has no idle driver: "),
        ({DEVICE: ""}, 2, r"^--cpu-dma-latency 2 has no effect"),
        ({DRIVER: "intel_idle", DEVICE: ""}, NO_LIMIT_US, r"^--cpu-dma-latency 2000000000 limits nothing: pass fewer "),
    ],
)
def test_what_the_kernel_would_not_heed_is_refused(
    fake_root: FakeRoot, files: dict[str, str], limit_us: int, sentence: str
) -> None:
    root = fake_root(files)
    with pytest.raises(InputError, match=sentence), cpu_latency_limit(limit_us, root):
        raise AssertionError("refused before anything runs")


@pytest.mark.parametrize(
    ("content", "limit_us"),
    [(struct.pack("=i", 10), 10), (struct.pack("=i", NO_LIMIT_US), None), (b"", None), (b"12345", None)],
)
def test_the_limit_that_holds_is_read(fake_root: FakeRoot, content: bytes, limit_us: int | None) -> None:
    root = fake_root({DEVICE: ""})
    (root / DEVICE).write_bytes(content)
    assert read_cpu_latency_limit(root) == limit_us


def test_the_kernel_of_this_machine_takes_and_forgets_it() -> None:
    earlier = read_cpu_latency_limit()
    try:
        with cpu_latency_limit(7):
            assert read_cpu_latency_limit() == min(7, earlier if earlier is not None else 7)
    except InputError as error:
        pytest.skip(str(error))
    assert read_cpu_latency_limit() == earlier


def list_open_files() -> list[str]:
    return [os.path.realpath(file) for file in Path("/proc/self/fd").iterdir()]

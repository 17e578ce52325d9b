from __future__ import annotations

import pytest

from resnet_fixtures.hardware.thread_plan import ThreadPlan
from resnet_fixtures.inference.common_window import CommonWindow, InstanceResult, common_window

PLAN = ThreadPlan(cpus=(0,), intra=1, inter=1, data_intra=1, data_inter=1, quota=None, sockets=(0,), nodes=(0,))


def make_result(*steps: tuple[float, float], batch_size: int = 8, index: int = 0) -> InstanceResult:
    starts_s, ends_s = zip(*steps, strict=True)
    return InstanceResult(index, PLAN, batch_size, (0.5,), starts_s, ends_s)


def test_lone_instance_counts_whole_and_its_pauses_too() -> None:
    window = common_window([make_result((10.0, 11.0), (11.5, 12.0))])
    assert window == CommonWindow(10.0, 12.0, (16.0,))
    assert window.total_images_per_s == 8.0


def test_window_is_from_the_last_start_to_the_first_end() -> None:
    early = make_result((0.0, 1.0), (1.0, 2.0), (2.0, 3.0))
    late = make_result((1.0, 2.0), (2.0, 3.0), (3.0, 4.0), index=1)
    window = common_window([early, late])
    assert (window.start_s, window.end_s, window.length_s) == (1.0, 3.0, 2.0)
    assert window.images == (16.0, 16.0)
    assert window.images_per_s == (8.0, 8.0)
    assert window.total_images_per_s == 16.0


def test_steps_that_straddle_an_edge_count_by_their_part_inside() -> None:
    reference = make_result((1.0, 2.0), (2.0, 3.0))
    straddling = make_result((0.0, 1.5), (1.5, 2.5), (2.5, 4.5), index=1)
    assert common_window([reference, straddling]).images == pytest.approx((16.0, 8 * (0.5 / 1.5 + 1 + 0.5 / 2)))


def test_fast_and_slow_instances_keep_their_own_rates() -> None:
    fast = make_result(*((step / 10, (step + 1) / 10) for step in range(45)), batch_size=4)
    slow = make_result((0.05, 2.05), (2.05, 4.05), batch_size=4, index=1)
    window = common_window([fast, slow])
    assert window.images_per_s == pytest.approx((40.0, 2.0))
    assert window.total_images_per_s == pytest.approx(42.0)


def test_total_is_not_the_sum_over_windows_of_their_own() -> None:
    """An instance that runs alone for a while is faster then; only the shared time counts."""
    alone_first = make_result((0.0, 0.1), (0.1, 0.2), (0.2, 1.2), (1.2, 2.2), batch_size=1)
    late = make_result((0.2, 1.2), (1.2, 2.2), batch_size=1, index=1)
    assert common_window([alone_first, late]).total_images_per_s == pytest.approx(2.0)


def test_instances_that_never_met_are_an_error() -> None:
    with pytest.raises(
        ValueError, match=r"never ran at the same time: the last began at 2\.0 s, the first ended at 1\.0 s"
    ):
        common_window([make_result((0.0, 1.0)), make_result((2.0, 3.0), index=1)])


def test_step_times_are_ends_minus_starts() -> None:
    assert make_result((1.0, 1.5), (2.0, 2.25)).steps_s == (0.5, 0.25)

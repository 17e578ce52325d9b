from __future__ import annotations

from resnet_fixtures.hardware.library_environment import inference_library_environment, library_environment
from resnet_fixtures.hardware.thread_plan import ThreadPlan

PLAN = ThreadPlan((0, 1), intra=2, inter=1, data_intra=2, data_inter=1, quota=None, sockets=(0,), nodes=(0,))


def test_libraries_are_set_to_the_plan() -> None:
    assert library_environment(PLAN, {"HOME": "/root"}) == {
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "TF_ENABLE_ONEDNN_OPTS": "1",
        "OMP_NUM_THREADS": "2",
        "KMP_AFFINITY": "granularity=fine,compact,1,0",
        "KMP_BLOCKTIME": "1",
    }


def test_the_user_s_own_win() -> None:
    environ = {"OMP_NUM_THREADS": "4", "KMP_BLOCKTIME": "200", "TF_ENABLE_ONEDNN_OPTS": "0"}
    assert set(library_environment(PLAN, environ)) == {"TF_CPP_MIN_LOG_LEVEL", "KMP_AFFINITY"}


def test_calling_thread_computes_where_nothing_trains() -> None:
    name = "TF_ONEDNN_THREADPOOL_USE_CALLER_THREAD"
    assert name not in library_environment(PLAN, {})
    assert inference_library_environment(PLAN, {}) == {**library_environment(PLAN, {}), name: "1"}
    assert name not in inference_library_environment(PLAN, {name: "0"})

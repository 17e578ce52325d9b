from __future__ import annotations

from resnet_fixtures.hardware.library_environment import library_environment
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

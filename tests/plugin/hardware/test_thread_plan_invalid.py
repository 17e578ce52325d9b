from __future__ import annotations

import re
from dataclasses import replace

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.hardware.thread_plan import ThreadRequest, instance_plans, make_thread_plan
from resnet_fixtures.hardware.topology import Cpu, Topology

TWO_CPUS = Topology((Cpu(0, 0, 0, 0), Cpu(1, 1, 0, 0)))
# 2 sockets of 2 cores with 2 threads.
SPLIT = Topology(tuple(Cpu(n, n % 4, n % 4 // 2, n % 4 // 2) for n in range(8)))


@pytest.mark.parametrize(
    ("topology", "request_", "sentence"),
    [
        (
            TWO_CPUS,
            ThreadRequest(num_cores=3),
            "--num-cores 3 is more than the 2 CPUs that this process may use; pass at most 2.",
        ),
        (
            Topology((Cpu(0, 0, 0, 0),)),
            ThreadRequest(num_intra_threads=2),
            "--num-intra-threads 2 is more than the 1 CPU that this process may use; pass at most 1.",
        ),
        (
            SPLIT,
            ThreadRequest(socket_id=1, num_cores=5),
            "--num-cores 5 is more than the 4 CPUs that this process may use on socket 1; pass at most 4.",
        ),
        (
            replace(SPLIT, quota=1.5),
            ThreadRequest(num_cores=3),
            "--num-cores 3 is more than the 2 CPUs that this process may use under its cgroup quota of 1.5; "
            "pass at most 2.",
        ),
        (
            SPLIT,
            ThreadRequest(num_cores=2, num_intra_threads=3),
            "--num-intra-threads 3 is more than the 2 of --num-cores; pass at most 2.",
        ),
        (
            TWO_CPUS,
            ThreadRequest(num_inter_threads=9),
            "--num-inter-threads 9 is more than the 2 CPUs that this process may use; pass at most 2.",
        ),
        (
            TWO_CPUS,
            ThreadRequest(data_num_intra_threads=14),
            "--data-num-intra-threads 14 is more than the 2 CPUs that this process may use; pass at most 2.",
        ),
        (
            TWO_CPUS,
            ThreadRequest(data_num_inter_threads=32),
            "--data-num-inter-threads 32 is more than the 2 CPUs that this process may use; pass at most 2.",
        ),
        (
            TWO_CPUS,
            ThreadRequest(num_cores=0),
            "--num-cores 0 is not a positive number; pass 1 to 2 or leave the option out.",
        ),
        (
            TWO_CPUS,
            ThreadRequest(num_inter_threads=-1),
            "--num-inter-threads -1 is not a positive number; pass 1 to 2 or leave the option out.",
        ),
        (
            SPLIT,
            ThreadRequest(socket_id=2),
            "--socket-id 2 is not among the sockets that this process may use (0-1); "
            "pass one of these or leave the option out.",
        ),
        (
            TWO_CPUS,
            ThreadRequest(socket_id=-1),
            "--socket-id -1 is not among the sockets that this process may use (0); "
            "pass one of these or leave the option out.",
        ),
    ],
)
def test_more_than_there_is_names_option_limit_and_cure(
    topology: Topology, request_: ThreadRequest, sentence: str
) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
        make_thread_plan(topology, request_)


@pytest.mark.parametrize(
    ("size", "sentence"),
    [
        (3, "--numa-cores-per-instance 3 is more than the 2 cores of the run; pass at most 2."),
        (0, "--numa-cores-per-instance 0 is not a positive number; pass 1 to 2, or socket."),
        (-4, "--numa-cores-per-instance -4 is not a positive number; pass 1 to 2, or socket."),
    ],
)
def test_impossible_instances(size: int, sentence: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
        instance_plans(TWO_CPUS, make_thread_plan(TWO_CPUS), size)

"""What test_cluster.py runs on the first host of its cluster: `cluster_driver.py HOST,HOST RANKS WORKER…`.

It looks for the hosts, runs the worker on them, and writes the events and the error that ended them as JSON.
"""

from __future__ import annotations

import json
import os
import sys

from resnet_fixtures.errors import InputError, RunError
from resnet_fixtures.hardware.thread_plan import make_thread_plan
from resnet_fixtures.hardware.topology import read_topology
from resnet_fixtures.training.events import format_event
from resnet_fixtures.training.launch import make_launch
from resnet_fixtures.training.layout import Layout
from resnet_fixtures.training.mpirun import find_mpirun, refuse_unreachable_hosts
from resnet_fixtures.training.order import Order
from resnet_fixtures.training.ranks import run_ranks
from resnet_fixtures.training.recipe import Recipe


def main(hosts: str, ranks: str, *worker: str) -> None:
    layout = Layout(int(ranks), hostnames=tuple(hosts.split(",")))
    topology, mpirun = read_topology(), find_mpirun()
    events: list[str] = []
    error = ""
    try:
        refuse_unreachable_hosts(mpirun, layout.hostnames, os.environ)
        launch = make_launch(
            layout, topology, make_thread_plan(topology), mpirun, os.environ, [sys.executable, *worker]
        )
        with run_ranks(launch, Order(Recipe(), threads=1, data_threads=1)) as heard:
            events.extend(format_event(event) for event in heard)
    except (InputError, RunError) as end:
        error = f"{type(end).__name__}: {end}"
    sys.stdout.write(json.dumps({"events": events, "error": error}))


if __name__ == "__main__":
    main(*sys.argv[1:])

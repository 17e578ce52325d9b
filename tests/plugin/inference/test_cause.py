from __future__ import annotations

import pytest

from resnet_fixtures.inference.cause import find_cause

REPORT = """Graph execution error:

Detected at node 'conv1/relu' defined at (most recent call last):
  File "graph.py", line 7, in <module>
Node: 'conv1/relu'
Operation received an exception:Status: 3, message: could not create a primitive. Run workload with ONEDNN_VERBOSE=all.
\t [[{{node conv1/relu}}]]
"""


def test_cause_is_tensorflows_own_sentence() -> None:
    assert find_cause(REPORT) == ("Operation received an exception:Status: 3, message: could not create a primitive")


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("No OpKernel was registered. Registered devices: [CPU]", "No OpKernel was registered"),
        ("Node: 'x'", "Node: 'x'"),
        ("", "no reason given"),
        ("x" * 1000, "x" * 300),
        ("\x1b[31mred\x07", "?[31mred?"),
    ],
)
def test_other_reports(message: str, cause: str) -> None:
    assert find_cause(message) == cause

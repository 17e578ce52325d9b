"""The variables that TensorFlow and its libraries read once, when they are loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resnet_fixtures.hardware.thread_plan import ThreadPlan

ONEDNN_SWITCH = "TF_ENABLE_ONEDNN_OPTS"
# The thread that hands out oneDNN's work does a part of it, where it would wait: 8 to 12 % of an int8 step at batch 1,
# together with session_config's pools that do not spin (docs/machine.md).
INFERENCE_VARIABLES = {"TF_ONEDNN_THREADPOOL_USE_CALLER_THREAD": "1"}


def library_environment(plan: ThreadPlan, environ: Mapping[str, str]) -> dict[str, str]:
    """List the variables to set before TensorFlow is loaded; the user's own win.

    By itself TensorFlow uses oneDNN on CPUs that have instructions for neural networks (AVX-512 VNNI, AMX) and nowhere
    else, so that on others it has no kernels for int8, and slower ones for fp32. It is switched on, as it is in the
    builds that the launcher takes.

    OMP and KMP are for Intel's OpenMP builds, as in the launcher's config.json; stock wheels ignore them. Its
    KMP_SETTINGS=1 and the `verbose` in its KMP_AFFINITY are left out: all that they do is print a page to the terminal
    from every process.
    """
    variables = {
        "TF_CPP_MIN_LOG_LEVEL": "2",  # errors stay
        ONEDNN_SWITCH: "1",
        "OMP_NUM_THREADS": str(plan.intra),
        "KMP_AFFINITY": "granularity=fine,compact,1,0",
        "KMP_BLOCKTIME": "1",
    }
    return {name: value for name, value in variables.items() if name not in environ}


def inference_library_environment(plan: ThreadPlan, environ: Mapping[str, str]) -> dict[str, str]:
    """List the variables of `library_environment`, and those for a process that does not train; the user's own win."""
    inference = {name: value for name, value in INFERENCE_VARIABLES.items() if name not in environ}
    return {**library_environment(plan, environ), **inference}

"""Compare a training step with Keras' `fit` and with PyTorch, and bf16 with fp32, at 224x224.

Each contestant is a process of its own that stays; they take turns (contestants.py). A turn is STEPS steps on a batch
that lies in memory; the figures are ratios of the medians of the turns.

- ours fp32, ours bf16: `TrainingStep.run`, weight decay and moving statistics included.
- keras: `Model.fit` on `keras.applications.ResNet50(weights=None)`, compiled with SGD, momentum 0.9. (Its network has
  the stride in a block's first convolution, which saves it 6 % of the multiplications; it decays no weights.)
- torch, torch channels_last: torchvision's resnet50, eager, SGD with momentum and weight decay, in either layout.

    python -m benchmarks.training_step --torch-python PYTHON-WITH-TORCHVISION
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from benchmarks.contestants import alternate, serve

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS, STEPS, CLASSES, SIDE = 5, 3, 1001, 224
OURS = ("ours fp32", "ours bf16")
TORCH = ("torch", "torch channels_last")
TARGETS = {("ours fp32", "keras"): 1.0, **{("ours fp32", name): 1.0 for name in TORCH}, OURS[::-1]: 1.3}


def main() -> None:
    """Print each contestant's images/s, then the ratios that have a target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--torch-python", default=sys.executable, help="an interpreter that has torch and torchvision")
    parser.add_argument("--contestant", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contestant:
        serve(make_steps(options.contestant, options.batch_size), STEPS)
        return
    seconds = compare(options.torch_python, options.batch_size, options.rounds)
    for name, turns in seconds.items():
        rate = options.batch_size / statistics.median(turns)
        print(f"{name}: {rate:.2f} images/s (turns {', '.join(f'{options.batch_size / turn:.2f}' for turn in turns)})")
    for (name, other), target in TARGETS.items():
        if other in seconds:
            ratio = statistics.median(seconds[other]) / statistics.median(seconds[name])
            print(f"{name} / {other}: {ratio:.2f} (to reach: {target})")


def compare(torch_python: str, batch: int, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of a step in each turn of each contestant."""
    has_torch = subprocess.run([torch_python, "-c", "import torchvision"], capture_output=True, check=False)
    names = [*OURS, "keras", *(TORCH if has_torch.returncode == 0 else ())]
    if has_torch.returncode:
        print(f"{torch_python} has no torchvision: pass --torch-python for that comparison")
    arguments = ["-m", "benchmarks.training_step", "--batch-size", str(batch), "--contestant"]
    commands = {name: [torch_python if name in TORCH else sys.executable, *arguments, name] for name in names}
    return alternate(commands, rounds)


def make_steps(name: str, batch: int) -> Callable[[], object]:
    """Return a function that runs STEPS steps of a contestant."""
    if name in TORCH:
        return make_torch_steps(batch, name == "torch channels_last")
    return make_keras_steps(batch) if name == "keras" else make_own_steps(batch, name.split()[1])


def draw_batch(batch: int) -> tuple[Any, Any]:
    """Return images [N, S, S, 3] and labels [N], the same in every process."""
    import numpy as np

    rng = np.random.default_rng(0)
    images = rng.normal(0, 60, (batch, SIDE, SIDE, 3)).astype(np.float32)
    return images, rng.integers(0, CLASSES, batch).astype(np.int32)


def make_own_steps(batch: int, precision: str) -> Callable[[], object]:
    """Return STEPS steps of this package."""
    import tensorflow as tf

    from resnet_fixtures.precision import Precision
    from resnet_fixtures.training.recipe import Recipe
    from resnet_fixtures.training.step import TrainingStep

    step = TrainingStep(Recipe(precision=Precision(precision), batch_size=batch), steps_per_epoch=5004)
    images, labels = map(tf.constant, draw_batch(batch))
    return lambda: [step.run(images, labels) for _ in range(STEPS)]


def make_keras_steps(batch: int) -> Callable[[], object]:
    """Return a `fit` of STEPS steps."""
    import keras
    import tensorflow as tf

    model = keras.applications.ResNet50(weights=None, classes=CLASSES)
    model.compile(keras.optimizers.SGD(0.001, momentum=0.9), "sparse_categorical_crossentropy")
    dataset = tf.data.Dataset.from_tensors(draw_batch(batch)).repeat()
    return lambda: model.fit(dataset, steps_per_epoch=STEPS, verbose=0)


def make_torch_steps(batch: int, is_channels_last: bool) -> Callable[[], object]:
    """Return STEPS eager steps of torchvision's model."""
    import torch
    import torchvision

    images, labels = draw_batch(batch)
    layout = torch.channels_last if is_channels_last else torch.contiguous_format
    inputs = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(memory_format=layout)
    targets = torch.from_numpy(labels).long()
    model = torchvision.models.resnet50(weights=None, num_classes=CLASSES).to(memory_format=layout).train()
    optimizer = torch.optim.SGD(model.parameters(), 0.001, momentum=0.9, weight_decay=1e-4)

    def step() -> float:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return lambda: [step() for _ in range(STEPS)]


if __name__ == "__main__":
    main()

"""Write torchvision's ResNet-50 as arrays: weights by our names, images, and the logits that it gives.

A process of its own runs this file: importing torchvision after TensorFlow ends a process with a segmentation fault.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Weights = dict[str, npt.NDArray[np.float32]]


def main(path: Path) -> None:
    import torch
    import torchvision

    torch.manual_seed(0)
    model = torchvision.models.resnet50(weights=None, num_classes=1000).eval()
    randomise_norms(model)
    images = np.random.default_rng(1).normal(0, 1, (4, 224, 224, 3)).astype(np.float32)
    with torch.no_grad():
        logits = model(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()
    with path.open("wb") as file:
        np.savez(file, images=images, logits=logits, **read_weights(model))  # type: ignore[arg-type]


def randomise_norms(model: Any) -> None:
    """Let every batch norm do something: fresh ones are the identity."""
    import torch

    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.0)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)


def read_weights(model: Any) -> Weights:
    weights: Weights = {
        "dense/kernel": model.fc.weight.detach().numpy().T,
        "dense/bias": model.fc.bias.detach().numpy(),
    }
    weights |= read_pair("conv1", model.conv1, model.bn1)
    for stage in (1, 2, 3, 4):
        for number, block in enumerate(getattr(model, f"layer{stage}"), start=1):
            name = f"stage{stage + 1}/block{number}"
            for index in (1, 2, 3):
                pair = getattr(block, f"conv{index}"), getattr(block, f"bn{index}")
                weights |= read_pair(f"{name}/conv{index}", *pair)
            if block.downsample is not None:
                weights |= read_pair(f"{name}/projection", block.downsample[0], block.downsample[1])
    return weights


def read_pair(name: str, convolution: Any, norm: Any) -> Weights:
    return {
        f"{name}/kernel": convolution.weight.detach().numpy().transpose(2, 3, 1, 0),
        f"{name}/gamma": norm.weight.detach().numpy(),
        f"{name}/beta": norm.bias.detach().numpy(),
        f"{name}/mean": norm.running_mean.numpy(),
        f"{name}/variance": norm.running_var.numpy(),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))

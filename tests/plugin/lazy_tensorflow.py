"""TensorFlow under the name `tf`, imported at its first use: collecting the tests must not load it."""

from __future__ import annotations

import importlib
from typing import Any


class LazyModule:
    """Stands for a module and imports it when an attribute is asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):  # pytest asks every global of a test module for such
            raise AttributeError(attribute)
        return getattr(importlib.import_module(self._name), attribute)


tf: Any = LazyModule("tensorflow")
GraphDef = Any  # the type of a tf.compat.v1.GraphDef, which has no stubs

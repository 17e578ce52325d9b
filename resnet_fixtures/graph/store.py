"""The graphs of one run: given or embedded, each loaded once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet_fixtures.graph.cache import load_cached
from resnet_fixtures.graph.embedded import embedded_graph_file
from resnet_fixtures.graph.frozen import load_frozen_graph
from resnet_fixtures.graph.interface import DEFAULT_IMAGE_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from resnet_fixtures.graph.frozen import FrozenGraph
    from resnet_fixtures.precision import Precision


class GraphStore:
    """Hands out the graph of each precision; an embedded one is built at its first use, which `announce` is told."""

    def __init__(self, given: Mapping[Precision, Path], announce: Callable[[str], object]) -> None:
        self._given = dict(given)
        self._announce = announce
        self._loaded: dict[Path, FrozenGraph] = {}

    def file(self, precision: Precision) -> Path:
        """Return the graph's file, for another process to load."""
        return self._given.get(precision) or self.embedded_file(precision)

    def embedded_file(self, precision: Precision) -> Path:
        """Return the file of the embedded graph, whether the user gave another or not."""
        return embedded_graph_file(precision, self._announce)

    def graph(self, precision: Precision) -> FrozenGraph:
        """Return the graph, parsed, checked and transformed the first time; InputError where it cannot be used."""
        path = self._given.get(precision)
        return self._load(path, precision) if path else self.embedded_graph(precision)

    @property
    def largest_image_size(self) -> int:
        """Give the pixels of the largest image's side, of the graphs that are loaded and the embedded ones."""
        return max([DEFAULT_IMAGE_SIZE, *(graph.image_size for graph in self._loaded.values())])

    def embedded_graph(self, precision: Precision) -> FrozenGraph:
        """Return the embedded graph, loaded once too; a damaged file of the cache is built again, which is said."""
        return load_cached(
            lambda: self.embedded_file(precision), lambda path: self._load(path, precision), self._announce
        )

    def _load(self, path: Path, precision: Precision) -> FrozenGraph:
        if path not in self._loaded:
            self._loaded[path] = load_frozen_graph(path, precision)
        return self._loaded[path]

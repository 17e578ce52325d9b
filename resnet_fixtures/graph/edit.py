"""Edit a GraphDef by name: find producers and consumers, replace, prune."""

from __future__ import annotations

from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt
    import tensorflow as tf
    from tensorflow.core.framework.attr_value_pb2 import AttrValue
    from tensorflow.core.framework.node_def_pb2 import NodeDef

FLOAT32, INT32, BFLOAT16 = 1, 3, 14  # tensorflow.DataType.DT_FLOAT, DT_INT32, DT_BFLOAT16
CONSTANTS = ("Const", "HostConst")  # operations


def node_name(reference: str) -> str:
    """Return the node that an input reference (`name`, `name:1` or `^name`) names."""
    return reference.lstrip("^").partition(":")[0]


def attribute(node: NodeDef, name: str) -> AttrValue:
    """Return a node's attribute, or an empty one; reading `node.attr[name]` would add it to the node."""
    return node.attr[name] if name in node.attr else type(node).AttrEntry().value


def sort_levels(nodes: Iterable[NodeDef]) -> Iterator[list[NodeDef]]:
    """Yield the nodes level by level, none before what it reads; graphlib.CycleError where one waits for itself."""
    by_name = {node.name: node for node in nodes}
    sorter = TopologicalSorter({name: [node_name(ref) for ref in node.input] for name, node in by_name.items()})
    sorter.prepare()
    while sorter.is_active():
        ready = sorter.get_ready()
        yield [by_name[name] for name in ready]
        sorter.done(*ready)


def strip_annotations(graph_def: tf.compat.v1.GraphDef) -> None:
    """Drop, in place, what a stateless graph does not compute with.

    That is devices, control inputs, the `:0` of references, and the attributes that begin with an underscore (hints
    to compilers).
    """
    for node in graph_def.node:
        node.device = ""
        references = [reference.removesuffix(":0") for reference in node.input if not reference.startswith("^")]
        if references != node.input:
            node.input[:] = references
        for name in [name for name in node.attr if name.startswith("_")]:
            del node.attr[name]


class EditableGraph:
    """A private copy of a GraphDef whose nodes are edited in place; the original stays as it was."""

    def __init__(self, graph_def: tf.compat.v1.GraphDef) -> None:
        self._graph_def = type(graph_def)()
        self._graph_def.CopyFrom(graph_def)
        self.nodes: dict[str, NodeDef] = {node.name: node for node in self._graph_def.node}

    def producer(self, reference: str) -> NodeDef:
        """Return the NodeDef that produces `reference`."""
        return self.nodes[node_name(reference)]

    def consumers(self, name: str) -> list[NodeDef]:
        """Return every NodeDef that reads an output of node `name`."""
        return [node for node in self.nodes.values() if any(node_name(reference) == name for reference in node.input)]

    def only_consumer(self, name: str) -> NodeDef | None:
        """Return the one NodeDef that reads node `name`, None where several do or one reads an output beyond 0."""
        consumers = self.consumers(name)
        is_read_elsewhere = any(node_name(ref) == name != ref for node in consumers for ref in node.input)
        return consumers[0] if len(consumers) == 1 and not is_read_elsewhere else None

    def of_type(self, *prefixes: str) -> list[NodeDef]:
        """Return the nodes whose operation begins with one of the prefixes."""
        return [node for node in self.nodes.values() if node.op.startswith(prefixes)]

    def constant(self, reference: str) -> npt.NDArray[Any] | None:
        """Return the value of a Const or HostConst node, or None where something else produces it."""
        import tensorflow as tf

        node = self.producer(reference)
        return tf.make_ndarray(attribute(node, "value").tensor) if node.op in CONSTANTS else None

    def add(self, name: str, op: str, inputs: Iterable[str], **types: int) -> NodeDef:
        """Add a node whose attributes are data types (DataType values); a taken name gets underscores behind it."""
        while name in self.nodes:
            name += "_"
        node = self._graph_def.node.add(name=name, op=op, input=list(inputs))
        for attribute, data_type in types.items():
            node.attr[attribute].type = data_type
        self.nodes[name] = node
        return node

    def add_constant(self, name: str, value: npt.NDArray[Any]) -> str:
        """Add a Const node and return its name."""
        node = self.add(name, "Const", ())
        _set_constant(node, value)
        return str(node.name)

    def replace(self, name: str, op: str, inputs: Iterable[str], **types: int) -> NodeDef:
        """Make another operation of node `name`, whose readers stay."""
        node = self.nodes[name]
        node.Clear()
        node.name, node.op = name, op
        node.input.extend(inputs)
        for attribute, data_type in types.items():
            node.attr[attribute].type = data_type
        return node

    def replace_by_constant(self, name: str, value: npt.NDArray[Any]) -> None:
        """Make a Const of node `name`, whose readers stay."""
        _set_constant(self.replace(name, "Const", ()), value)

    def pruned(self, output: str) -> tf.compat.v1.GraphDef:
        """Return the nodes that `output` needs, in their order, as a GraphDef of its own."""
        needed: set[str] = set()
        waiting = [output]
        while waiting:
            name = waiting.pop()
            if name not in needed:
                needed.add(name)
                waiting.extend(node_name(reference) for reference in self.nodes[name].input)
        graph_def = type(self._graph_def)(versions=self._graph_def.versions)
        graph_def.node.extend(node for name, node in self.nodes.items() if name in needed)
        return graph_def


def _set_constant(node: NodeDef, value: npt.NDArray[Any]) -> None:
    import tensorflow as tf

    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    node.attr["dtype"].type = node.attr["value"].tensor.dtype

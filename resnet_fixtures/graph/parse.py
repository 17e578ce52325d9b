"""Read and parse a GraphDef file without trusting it: its size, and what it grows to, are bounded beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet_fixtures.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    import tensorflow as tf
    from google.protobuf.descriptor import Descriptor  # type: ignore[import-untyped]

MAX_FILE_BYTES = 1 << 29  # ResNet-50 in fp32 takes 98 MiB
MAX_FIELDS = 1_000_000  # a field of two bytes may take a hundred in memory; the embedded graphs have 10,000
PACKED_BYTES = 64  # of packed numbers weigh as a field: each byte may be one that takes 8
VARINT_TYPES = frozenset({3, 4, 5, 8, 13, 14, 17, 18})  # FieldDescriptor's int64, uint64, int32, bool … sint64
CURE = "pass a frozen GraphDef (.pb)"


def read_graph_file(path: Path) -> bytes:
    """Return the content of a file given with --in-graph; InputError where it cannot be one."""
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise InputError(f"--in-graph {path} is no file: {CURE}.")
        if size > MAX_FILE_BYTES:
            raise InputError(
                f"--in-graph {path} has {size} bytes, over {MAX_FILE_BYTES >> 20} MiB: {CURE} of a ResNet-50."
            )
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"--in-graph {path} cannot be read ({error.strerror}): {CURE}.") from error


def parse_graph(content: bytes, origin: str) -> tf.compat.v1.GraphDef:
    """Parse a serialized GraphDef; InputError where it is none or is cut short."""
    import tensorflow as tf
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    graph_def = tf.compat.v1.GraphDef()
    if has_more_fields(content, graph_def.DESCRIPTOR, MAX_FIELDS):
        raise InputError(
            f"{origin} has more than {MAX_FIELDS} fields, a hundred times a ResNet-50's: pass another graph."
        )
    try:
        graph_def.ParseFromString(content)
    except DecodeError as error:
        message = f"{origin} is no frozen GraphDef, or is truncated: fetch it again, or pass another file."
        raise InputError(message) from error
    return graph_def


def has_more_fields(content: bytes, descriptor: Descriptor, limit: int) -> bool:
    """Tell whether a protobuf message and its submessages hold more than `limit` fields, from the wire format alone.

    Packed numbers count by their size. Malformed content is left to the parser: what comes before the fault is counted.
    """
    waiting = [(memoryview(content), descriptor)]
    fields = 0
    while waiting and fields <= limit:
        view, message = waiting.pop()
        position = 0
        while position < len(view) and fields <= limit:
            tag, position = _read_varint(view, position)
            position, payload = _skip_value(view, position, tag & 7)
            fields += 1
            field = message.fields_by_number.get(tag >> 3)
            if payload and field is not None and field.message_type is not None:
                waiting.append((payload, field.message_type))
            elif payload and field is not None and field.type in VARINT_TYPES:
                fields += len(payload) // PACKED_BYTES
    return fields > limit


def _skip_value(view: memoryview, position: int, wire_type: int) -> tuple[int, memoryview | None]:
    """Return where the next field begins, and the payload of a value with a length."""
    if wire_type == 0:
        return _read_varint(view, position)[1], None
    if wire_type == 2:
        length, position = _read_varint(view, position)
        return position + length, view[position : position + length]
    return position + {1: 8, 5: 4}.get(wire_type, 0), None


def _read_varint(view: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(view[position : position + 10]):
        value |= (byte & 127) << 7 * index
        if byte < 128:
            return value, position + index + 1
    return 0, len(view)

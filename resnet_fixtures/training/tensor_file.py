"""Arrays and a JSON object in one safetensors file: no code in it, and its sizes are checked before memory is taken.

safetensors itself refuses a file whose tensors do not cover it exactly, and with it every truncated one. What it lets
through is checked here: a header that takes gigabytes to parse, other types than float32, and changed content.
"""

from __future__ import annotations

import json
import stat
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from resnet_fixtures.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Tensors = dict[str, npt.NDArray[np.float32]]

KIND = "resnet_fixtures checkpoint 1"  # another number where the fields change their meaning
LENGTH_BYTES = 8  # a safetensors file begins with the length of its header
MAX_HEADER_BYTES = 16 << 20  # safetensors' own limit, 100 MB, takes 1 GB and 8 s to parse


class _FormatError(Exception):
    """The content is not what `pack_tensor_file` makes."""


def pack_tensor_file(tensors: Mapping[str, npt.NDArray[np.float32]], fields: Mapping[str, Any]) -> bytes:
    """Return the content of a file; arrays of another type than float32 are a TypeError."""
    from safetensors.numpy import save

    others = [name for name, array in tensors.items() if array.dtype != np.float32]
    if others:
        raise TypeError(f"not float32: {', '.join(others)}")
    text = json.dumps(fields)
    # safetensors writes the memory behind an array as it lies there
    arrays = {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in tensors.items()}
    return bytes(save(arrays, {"kind": KIND, "fields": text, "checksum": _checksum(text, arrays)}))


def read_fields(path: Path) -> dict[str, Any]:
    """Return the JSON object of a file, and leave its arrays on the disk; raises as `read_tensor_file`."""
    return _read(path, with_tensors=False)[1]


def read_tensor_file(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """Return the arrays and the JSON object; a file that is truncated, changed or foreign is an InputError."""
    return _read(path, with_tensors=True)


def _read(path: Path, *, with_tensors: bool) -> tuple[Tensors, dict[str, Any]]:
    from safetensors import SafetensorError

    try:
        _check_header_length(path)
        return _read_checked(path, with_tensors=with_tensors)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}): pass another --checkpoint.") from error
    except (SafetensorError, _FormatError, ValueError, RecursionError) as error:
        message = f"{path} is damaged or no checkpoint of this suite ({error})"
        raise InputError(f"{message}: delete it, or pass another --checkpoint.") from error


def _check_header_length(path: Path) -> None:
    """Refuse what is no plain file, which could block or never end, and a header beyond file or limit."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise _FormatError("not a plain file")
    with path.open("rb") as file:
        length = int.from_bytes(file.read(LENGTH_BYTES), "little")
    if status.st_size < LENGTH_BYTES + length:
        raise _FormatError(f"{status.st_size} bytes end before the header does")
    if length > MAX_HEADER_BYTES:
        raise _FormatError(f"a header of {length} bytes")


def _read_checked(path: Path, *, with_tensors: bool) -> tuple[Tensors, dict[str, Any]]:
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        metadata = file.metadata() or {}
        if metadata.get("kind") != KIND:
            raise _FormatError(f"not marked as '{KIND}'")
        text = metadata.get("fields", "")
        tensors = _take_tensors(file) if with_tensors else {}
    if with_tensors and metadata.get("checksum") != _checksum(text, tensors):
        raise _FormatError("its checksum does not match")
    fields = json.loads(text)
    if not isinstance(fields, dict):
        raise _FormatError("its fields are no JSON object")
    return tensors, fields


def _take_tensors(file: Any) -> Tensors:
    names = list(file.keys())
    others = [name for name in names if file.get_slice(name).get_dtype() != "F32"]
    if others:
        raise _FormatError(f"not float32: {', '.join(others)}")
    return {name: file.get_tensor(name) for name in names}


def _checksum(text: str, tensors: Tensors) -> str:
    """Return the CRC-32 of the fields, names, shapes and values."""
    value = zlib.crc32(text.encode())
    for name, array in sorted(tensors.items()):
        value = zlib.crc32(array.reshape(-1).data, zlib.crc32(f"{name}{array.shape}".encode(), value))
    return f"{value:08x}"

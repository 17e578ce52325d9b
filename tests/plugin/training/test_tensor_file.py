from __future__ import annotations

import json
import os
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.training.tensor_file import MAX_HEADER_BYTES, pack_tensor_file, read_fields, read_tensor_file

if TYPE_CHECKING:
    from pathlib import Path

FIELDS = {"step": 7, "log": [{"key": "run_start", "value": None}], "rate": 0.1, "name": "\u00e9\ud800"}


def make_tensors() -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    return {
        "weights/conv1/kernel": np.random.default_rng(0).standard_normal((3, 3, 2, 5), dtype=np.float32),
        "weights/dense/bias": np.array([np.nan, -0.0, np.inf, 1e-42], np.float32),
        "momentum/conv1/kernel": np.arange(12, dtype=np.float32).reshape(3, 4).T,  # not contiguous
        "scalar": np.array(2.5, np.float32),
        "empty": np.zeros((0, 4), np.float32),
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "step-1.safetensors"


def test_every_bit_comes_back(path: Path) -> None:
    path.write_bytes(pack_tensor_file(make_tensors(), FIELDS))
    tensors, fields = read_tensor_file(path)
    assert fields == FIELDS
    assert tensors.keys() == make_tensors().keys()
    for name, expected in make_tensors().items():
        assert tensors[name].shape == expected.shape
        assert tensors[name].dtype == np.float32
        assert tensors[name].tobytes() == expected.tobytes()
        assert tensors[name].flags.writeable


def test_any_safetensors_reader_takes_it(path: Path) -> None:
    from safetensors.numpy import load_file

    path.write_bytes(pack_tensor_file(make_tensors(), FIELDS))
    np.testing.assert_array_equal(load_file(path)["momentum/conv1/kernel"], make_tensors()["momentum/conv1/kernel"])


def test_fields_alone(path: Path) -> None:
    path.write_bytes(pack_tensor_file(make_tensors(), FIELDS))
    assert read_fields(path) == FIELDS


def test_only_float32_is_written() -> None:
    with pytest.raises(TypeError, match=r"not float32: b$"):
        pack_tensor_file({"a": np.zeros(1, np.float32), "b": np.zeros(1)}, {})  # type: ignore[dict-item]


@pytest.mark.parametrize("kept", [0, 5, 8, 9, 300, -1])
def test_a_truncated_file(path: Path, kept: int) -> None:
    path.write_bytes(pack_tensor_file(make_tensors(), FIELDS)[:kept])
    with pytest.raises(InputError, match=r"step-1\.safetensors is damaged .+: delete it, or pass another --checkpoint"):
        read_tensor_file(path)
    with pytest.raises(InputError, match=r"step-1\.safetensors is damaged"):
        read_fields(path)


@pytest.mark.parametrize("place", [-1, -20, -200])
def test_a_changed_bit(path: Path, place: int) -> None:
    content = bytearray(pack_tensor_file(make_tensors(), FIELDS))
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"step-1\.safetensors is damaged .+\(its checksum does not match\)"):
        read_tensor_file(path)


def test_a_changed_name(path: Path) -> None:
    path.write_bytes(pack_tensor_file(make_tensors(), FIELDS).replace(b"dense/bias", b"dense/bios"))
    with pytest.raises(InputError, match="its checksum does not match"):
        read_tensor_file(path)


@pytest.mark.parametrize(
    "content", [b"\0" * 1000, b"PK\3\4" + b"\0" * 500, b"\x93NUMPY" + b" " * 500, b"\xff" * 64, b"text\n" * 99]
)
def test_a_foreign_file(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"is damaged or no checkpoint of this suite \(.+\): delete it"):
        read_tensor_file(path)


def test_a_safetensors_file_of_another_program(path: Path) -> None:
    from safetensors.numpy import save_file

    save_file(make_tensors() | {"momentum/conv1/kernel": np.zeros(1, np.float32)}, path)
    with pytest.raises(InputError, match="not marked as 'resnet_fixtures checkpoint 1'"):
        read_tensor_file(path)


def tensor(shape: list[int], offsets: list[int], dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


HOSTILE: dict[str, dict[str, object] | bytes] = {
    "4 TB in 8 bytes": {"a": tensor([2**40], [0, 2**42])},
    "size overflows": {"a": tensor([2**62, 4], [0, 0])},
    "empty and too long": {"a": tensor([0, 2**62], [0, 0])},
    "overlap": {"a": tensor([2], [0, 8]), "b": tensor([2], [0, 8])},
    "hole": {"a": tensor([1], [4, 8])},
    "trailing": {"a": tensor([1], [0, 4])},
    "negative": {"a": tensor([-2], [0, 8])},
    "reversed": {"a": tensor([2], [8, 0])},
    "100 dimensions": {"a": tensor([1] * 99 + [2], [0, 8])},
    "objects": {"a": tensor([1], [0, 8], "OBJ")},
    "float64": {"a": tensor([1], [0, 8], "F64")},
    "bfloat16": {"a": tensor([4], [0, 8], "BF16")},
    "float8": {"a": tensor([8], [0, 8], "F8_E4M3")},
    "deep": b'{"a":' + b"[" * 100_000,
    "no JSON": b"{",
    "no UTF-8": b'{"\xff": 1}',
    "list": b"[]",
}


@pytest.mark.parametrize("header", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_header(path: Path, header: dict[str, object] | bytes) -> None:
    metadata = {"kind": "resnet_fixtures checkpoint 1", "fields": "{}", "checksum": "00000000"}
    text = header if isinstance(header, bytes) else json.dumps({"__metadata__": metadata, **header}).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"\0" * 8)
    with pytest.raises(InputError, match=r"step-1\.safetensors is damaged or no checkpoint of this suite \(.+\)"):
        read_tensor_file(path)


@pytest.mark.parametrize("fields", ["[]", "7", "", "{", "[" * 100_000, '{"a": ' * 100_000], ids=lambda text: text[:9])
def test_hostile_fields(path: Path, fields: str) -> None:
    from safetensors.numpy import save

    metadata = {"kind": "resnet_fixtures checkpoint 1", "fields": fields}
    path.write_bytes(save({}, metadata))
    with pytest.raises(InputError, match=r"is damaged or no checkpoint"):
        read_fields(path)


def test_a_header_that_would_take_gigabytes_to_parse(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", MAX_HEADER_BYTES + 1) + b"{")
    os.truncate(path, MAX_HEADER_BYTES + 100)
    with pytest.raises(InputError, match=f"a header of {MAX_HEADER_BYTES + 1} bytes"):
        read_fields(path)


def test_what_is_no_file(path: Path) -> None:
    with pytest.raises(InputError, match=r"step-1\.safetensors cannot be read \(No such file .+\): pass another"):
        read_fields(path)
    os.mkfifo(path)  # to open it would wait for a writer
    with pytest.raises(InputError, match="not a plain file"):
        read_fields(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match="not a plain file"):
        read_fields(path)

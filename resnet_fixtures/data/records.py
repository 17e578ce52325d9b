"""Count, write and make TFRecords: length (8 bytes), its checksum (4), payload, its checksum (4), and so on."""

from __future__ import annotations

import hashlib
import os
import struct
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet_fixtures.errors import DataError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import tensorflow as tf

HEADER = struct.Struct("<QI")
LENGTH_BYTES = 8
FOOTER_BYTES = 4
MAX_IMAGE_BYTES = 256 * 2**20  # of a record or a JPEG file, which is read as a whole


@dataclass(frozen=True)
class RecordIndex:
    """Count the records of one file; `digest` is that of their payloads' checksums, as they are stored."""

    path: Path
    count: int
    size_bytes: int
    digest: str


def index_records(path: Path) -> RecordIndex:
    """Count the records by their headers and checksums alone, without reading a payload.

    A record that is cut off, longer than the rest of its file or than MAX_IMAGE_BYTES, or whose length does not match
    its checksum is a DataError with its number, counted from 1. A file that cannot be read is an InputError.
    """
    try:
        with open(path, "rb", buffering=0, opener=_open_at_once) as file:
            size_bytes = os.fstat(file.fileno()).st_size
            checksums = list(_walk_checksums(path, file.fileno(), size_bytes))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check its kind and permissions.") from error
    return RecordIndex(path, len(checksums), size_bytes, hashlib.sha256(b"".join(checksums)).hexdigest())


def _open_at_once(path: str, flags: int) -> int:
    """Open a pipe too without waiting for who fills it: it has no records."""
    return os.open(path, flags | os.O_NONBLOCK)


def write_records(path: Path, examples: Iterable[tf.train.Example]) -> None:
    """Write the examples as one file that appears complete or not at all; InputError where the disk refuses."""
    import tensorflow as tf

    staging = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with tf.io.TFRecordWriter(os.fsencode(staging)) as writer:
            for example in examples:
                writer.write(example.SerializeToString(deterministic=True))
        staging.replace(path)
    except tf.errors.OpError as error:
        raise InputError(f"{path} cannot be written ({error.message}): make room, or name another folder.") from error
    finally:
        staging.unlink(missing_ok=True)


def make_example(
    jpeg: bytes, label: int, filename: str, shape: tuple[int, int, int], synset: str = "", text: str = ""
) -> tf.train.Example:
    """Describe one image in the layout of the tensorflow/models conversion scripts.

    The label is in the seed's convention (1 is the first class); shape is the JPEG's height, width and channels.
    """
    values: dict[str, bytes | int] = {
        "image/encoded": jpeg,
        "image/class/label": label,
        "image/class/synset": synset.encode(),
        "image/class/text": text.encode(),
        "image/filename": filename.encode(),
        "image/height": shape[0],
        "image/width": shape[1],
        "image/channels": shape[2],
        "image/format": b"JPEG",
        "image/colorspace": b"RGB" if shape[2] == 3 else b"Grayscale",
    }
    import tensorflow as tf

    return tf.train.Example(
        features=tf.train.Features(feature={key: _make_feature(value) for key, value in values.items()})
    )


def _make_feature(value: bytes | int) -> tf.train.Feature:
    import tensorflow as tf

    if isinstance(value, int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _walk_checksums(path: Path, descriptor: int, size_bytes: int) -> Iterator[bytes]:
    """Give the stored checksum of each payload, which is read together with the header behind it."""
    offset = number = 0
    header = os.pread(descriptor, HEADER.size, offset) if size_bytes else b""  # a pipe cannot be read so
    while offset < size_bytes:
        number += 1
        length, fault = _read_length(header, size_bytes - offset)
        if fault:
            raise DataError(f"{path}, record {number}: {fault}; copy or convert that file again.")
        offset += HEADER.size + length + FOOTER_BYTES
        between = os.pread(descriptor, FOOTER_BYTES + HEADER.size, offset - FOOTER_BYTES)
        yield between[:FOOTER_BYTES]
        header = between[FOOTER_BYTES:]


def _read_length(header: bytes, left_bytes: int) -> tuple[int, str]:
    if len(header) < HEADER.size:
        return 0, f"cut off after {len(header)} bytes"
    length, checksum = HEADER.unpack(header)
    if mask_checksum(compute_crc32c(header[:LENGTH_BYTES])) != checksum:
        return 0, "its length does not match its checksum, so this is no TFRecord file or a corrupt one"
    room = left_bytes - HEADER.size - FOOTER_BYTES
    if length > room:
        return 0, f"declares {length} bytes where {max(room, 0)} are left in the file"
    if length > MAX_IMAGE_BYTES:
        return 0, f"declares {length} bytes, more than an image of the set can have"
    return length, ""


def compute_crc32c(data: bytes) -> int:
    """Compute the Castagnoli CRC-32 of a few bytes (a table in Python: slow for payloads)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def mask_checksum(crc: int) -> int:
    """Rotate and shift a checksum as the TFRecord format stores it."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _make_crc_entry(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_CRC_TABLE = tuple(_make_crc_entry(byte) for byte in range(256))

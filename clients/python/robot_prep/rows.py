"""Columns of step rows and shard rows as numpy arrays, whatever they are read from."""
from __future__ import annotations

import numpy as np
import pyarrow as pa


def column_array(table: pa.Table, name: str) -> pa.Array:
    column = table[name]
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def plain(table: pa.Table, name: str) -> np.ndarray:
    return column_array(table, name).to_numpy(zero_copy_only=False)


def fixed(table: pa.Table, name: str) -> np.ndarray:
    """FixedSizeList column -> [n, width]."""
    array = column_array(table, name)
    return array.flatten().to_numpy(zero_copy_only=False).reshape(len(array), array.type.list_size)


def texts(table: pa.Table, name: str) -> list:
    return table[name].to_pylist()


def binaries(table: pa.Table, name: str) -> list[memoryview]:
    """Values of a binary column without a copy: they keep the column's buffer alive."""
    array = column_array(table, name)
    kind = np.int64 if pa.types.is_large_binary(array.type) else np.int32
    buffers = array.buffers()
    ends = np.frombuffer(buffers[1], kind)[array.offset : array.offset + len(array) + 1].tolist()
    data = memoryview(buffers[2]).cast("B") if buffers[2] is not None else memoryview(b"")
    return [data[a:b] for a, b in zip(ends, ends[1:])]


def numbers(table: pa.Table, names: set[str], arms: int, steps: int, roles: int) -> dict:
    """The number columns of `names` in the shapes that the client works with."""
    out = {}
    shapes = {"action": (arms, steps, 10), "history": (arms, 10), "proprio": (arms, 10), "camera": (roles, 16), "image_hash": (roles,)}
    for name, shape in shapes.items():
        if name in names:
            out[name] = fixed(table, name).reshape(-1, *shape)
    for name in ("present", "action_valid"):
        if name in names:
            out[name] = plain(table, name)
    return out

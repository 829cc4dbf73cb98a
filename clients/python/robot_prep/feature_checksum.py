"""Checksums of stored rows of features, as prep writes them (`transforms/features/row-checksum.ts`)."""
from __future__ import annotations

import struct

import numpy as np

from .errors import fault


def digest_of():
    """The function bytes -> xxh3-64."""
    try:
        import xxhash
    except ImportError as error:
        raise fault("bad-option", "verify_features", "xxhash", "none", "pip install xxhash, or verify_features=False") from error
    return xxhash.xxh3_64_intdigest


def check_rows(stored: np.ndarray, arrays: list[np.ndarray], table: str, ids: np.ndarray) -> None:
    """xxh3-64 over the digests of a row's parts: view by view values, scale, side."""
    digest = digest_of()
    for i, checksum in enumerate(stored.tolist()):
        parts = [digest(np.ascontiguousarray(array[i]).view(np.uint8)) for array in arrays]
        found = digest(struct.pack(f"<{len(parts)}Q", *parts))
        if found != checksum % 2**64:
            raise fault("stale-features", f"{table}, row {ids[i]}", f"stored bytes with the checksum {checksum}", str(found), "the stored bytes are damaged: take the table from a copy of the store")

"""Memory that workers decode pictures into and the main process reads: no picture is copied on its way, none is written over while it is held."""
from __future__ import annotations

import itertools
import mmap
import os
import weakref
from multiprocessing.heap import Arena

import numpy as np

_OPEN: weakref.WeakValueDictionary = weakref.WeakValueDictionary()
_NUMBERS = itertools.count()


class Ring:
    """``slots`` places of ``size`` bytes for each worker, after a byte per place: 1 from when its worker takes it until the main process
    has let go of the last array or tensor on it. Only the worker writes 1, only the main process 0, so there is no lock. A place that
    was never taken costs no memory.
    """

    def __init__(self, workers: int, slots: int, size: int):
        page = mmap.PAGESIZE
        self.slots, self.size, self.head = slots, -(-size // page) * page, -(-workers * slots // page) * page
        self.number, self.reader = next(_NUMBERS), os.getpid()
        self._arena = Arena(self.head + workers * slots * self.size)
        self._map()
        _OPEN[self.number] = self

    def __getstate__(self) -> dict:
        return {name: value for name, value in self.__dict__.items() if name not in ("taken", "bytes")}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._map()

    def _map(self) -> None:
        everything = np.frombuffer(self._arena.buffer, np.uint8)
        self.taken, self.bytes = everything[: self.head], everything[self.head :]

    def take(self, worker: int) -> int | None:
        """In a worker: a place of its own that nobody holds, now taken."""
        for place in range(worker * self.slots, (worker + 1) * self.slots):
            if not self.taken[place]:
                self.taken[place] = 1
                return place
        return None

    def array(self, place: int, shape: tuple[int, ...]) -> np.ndarray:
        """u8 on a place. In the main process it is `held` that says when the place is free."""
        return self.bytes[place * self.size :][: int(np.prod(shape))].reshape(shape)

    def held(self, place: int, shape: tuple[int, ...]) -> np.ndarray:
        """In the main process: u8 on a place that is free again when nothing refers to the array, a view or a tensor of it."""
        return np.asarray(_Hold(self, place, self.array(place, shape)))


class _Hold:
    """The owner of an array's memory, as numpy and PyTorch see it: they keep it for as long as they use the memory."""

    def __init__(self, ring: Ring, place: int, array: np.ndarray):
        self.ring, self.place = ring, place
        self.__array_interface__ = array.__array_interface__

    def __del__(self):
        # A forked child drops its copy; the memory is still its parent's.
        if os.getpid() == self.ring.reader:
            self.ring.taken[self.place] = 0


class Sent:
    """A batch on its way from a worker: small arrays by pipe, pictures by their place in the ring."""

    def __init__(self, batch: dict, ring: int | None = None, place: int | None = None, shape: tuple[int, ...] = ()):
        self.batch, self.ring, self.place, self.shape = batch, ring, place, shape
        #: Rows of the batch without stored features.
        self.missing = 0

    def tensors(self) -> dict:
        import torch

        batch = dict(self.batch)
        if self.place is not None:
            batch["image"] = _OPEN[self.ring].held(self.place, self.shape).transpose(0, 1, 4, 2, 3)
        return {name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value for name, value in batch.items()}

    def pin_memory(self) -> "Sent":
        """PyTorch's thread for it calls this."""
        pinned = Sent(_pinned(self.tensors()))
        pinned.missing = self.missing
        return pinned


def _pinned(value):
    if isinstance(value, dict):
        return {name: _pinned(one) for name, one in value.items()}
    return value.pin_memory() if hasattr(value, "pin_memory") else value

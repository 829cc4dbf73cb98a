"""PyTorch's workers, where PyTorch is there: spawned, never forked, since Lance's threads do not survive a fork."""
from __future__ import annotations

import sys

from .errors import fault
from .ring import Ring, Sent

#: Bytes of an array that goes through a pipe.
BY_PIPE = 1 << 20


def place() -> tuple[int, int]:
    """Number of this PyTorch worker and how many there are; (0, 1) outside of one. Does not load PyTorch."""
    torch = sys.modules.get("torch")
    info = torch.utils.data.get_worker_info() if torch is not None else None
    return (0, 1) if info is None else (info.id, info.num_workers)


def inside() -> bool:
    """Whether this process is a PyTorch worker."""
    torch = sys.modules.get("torch")
    return torch is not None and torch.utils.data.get_worker_info() is not None


def identity(batch):
    """Batches stay what they are: `collate_fn` for arrays, named so that it can be sent to a spawned process."""
    return batch


def tensors(batch: dict) -> dict:
    """Arrays become tensors without a copy of the pixels; texts stay lists."""
    import torch

    return {name: torch.from_numpy(value) if hasattr(value, "dtype") else value for name, value in batch.items()}


def _shared(batch: dict) -> dict:
    """Large arrays as tensors, which PyTorch moves to shared memory; what is small is cheaper by pipe."""
    return {**batch, **tensors({name: value for name, value in batch.items() if getattr(value, "nbytes", 0) > BY_PIPE})}


class Worker:
    """The dataset as a worker has it: pictures are decoded into the ring, or sent in PyTorch's own way where no place of it is free."""

    def __init__(self, dataset, ring: Ring | None):
        self.dataset, self.ring = dataset, ring

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sent:
        before = self.dataset.features_missing_count
        sent = self._sent(index)
        sent.missing = self.dataset.features_missing_count - before
        return sent

    def _sent(self, index: int) -> Sent:
        taken = None if self.ring is None else self.ring.take(place()[0])
        if taken is None:
            return Sent(_shared(self.dataset[index]))
        fresh, shapes = self.dataset.memory, []
        self.dataset.memory = lambda shape: shapes.append(shape) or self.ring.array(taken, shape)
        try:
            batch = self.dataset[index]
        finally:
            self.dataset.memory = fresh
        del batch["image"]
        return Sent(_shared(batch), self.ring.number, taken, shapes[0])


def batches(dataset, workers: int, prefetch: int, pin_memory: bool):
    """Tensors from `workers` processes; without workers the arrays themselves."""
    if workers == 0:
        yield from dataset
        return
    try:
        from torch.utils.data import DataLoader
    except ImportError as error:
        raise fault("bad-option", f"workers={workers}", "PyTorch", "none", "pip install 'robot-prep[torch]', or workers=0") from error
    first, ring = dataset.step, ring_of(dataset, workers, prefetch)
    loader = DataLoader(
        Worker(dataset, ring), batch_size=None, sampler=range(first - dataset.start_step, len(dataset)), num_workers=workers,
        prefetch_factor=prefetch, collate_fn=identity, multiprocessing_context="spawn", pin_memory=pin_memory,
    )
    for i, sent in enumerate(loader):
        dataset.step = first + i + 1
        # What a worker counted stays in its process.
        dataset.count_missing(sent.missing)
        yield sent.tensors()


def ring_of(dataset, workers: int, prefetch: int) -> Ring | None:
    """For every worker what it reads ahead, the batch that the trainer has and the one before: until it has the next, it holds both."""
    if not dataset.decode or "image" not in dataset.wanted or dataset.arms == "flatten":
        return None
    views = len(dataset.plan.harmony["roles"])
    return Ring(workers, prefetch + 2, dataset.share * views * dataset.height * dataset.width * 3)

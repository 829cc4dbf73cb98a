"""PyTorch's workers, where PyTorch is there: spawned, never forked, since Lance's threads do not survive a fork."""
from __future__ import annotations

import sys

from .errors import fault


def place() -> tuple[int, int]:
    """Number of this PyTorch worker and how many there are; (0, 1) outside of one. Does not load PyTorch."""
    torch = sys.modules.get("torch")
    info = torch.utils.data.get_worker_info() if torch is not None else None
    return (0, 1) if info is None else (info.id, info.num_workers)


def identity(batch):
    """Batches stay what they are: `collate_fn` for arrays, named so that it can be sent to a spawned process."""
    return batch


def tensors(batch: dict) -> dict:
    """Arrays become tensors without a copy of the pixels; texts stay lists."""
    import torch

    return {name: torch.from_numpy(value) if hasattr(value, "dtype") else value for name, value in batch.items()}


def batches(dataset, workers: int, prefetch: int, pin_memory: bool):
    """Tensors from `workers` processes; without workers the arrays themselves."""
    if workers == 0:
        yield from dataset
        return
    try:
        from torch.utils.data import DataLoader
    except ImportError as error:
        raise fault("bad-option", f"workers={workers}", "PyTorch", "none", "pip install 'robot-prep[torch]', or workers=0") from error
    first = dataset.step
    loader = DataLoader(
        dataset, batch_size=None, sampler=range(first - dataset.start_step, len(dataset)), num_workers=workers, prefetch_factor=prefetch,
        collate_fn=tensors, multiprocessing_context="spawn", pin_memory=pin_memory,
    )
    for i, batch in enumerate(loader):
        dataset.step = first + i + 1
        yield batch

"""A random-access source for Grain and other loaders of JAX: `__len__` and `__getitem__`, numpy only."""
from __future__ import annotations

from .dataset import PrepDataset


class PrepSource:
    """Global steps as elements: ``source[k]`` is this rank's batch of step k, whatever ``start_step`` says.

    ``grain.MapDataset.source(PrepSource(store, plan, batch))``: neither shuffle nor shard it, the plan has done both; Grain's
    own checkpoint is then the step.
    """

    def __init__(self, store, plan, batch, **options):
        self.dataset = PrepDataset(store, plan, batch, **options)

    def __len__(self) -> int:
        return self.dataset.steps

    def __getitem__(self, step: int) -> dict:
        step = int(step)
        if not 0 <= step < len(self):
            raise IndexError(f"steps 0 to {len(self) - 1} exist, {step} asked")
        return self.dataset.batches_at([step])[0]

    def __repr__(self) -> str:
        # Grain compares it when it restores a checkpoint.
        one = self.dataset
        return f"PrepSource(plan={one.plan_id!r}, batch={one.batch}, rank={one.rank}, world={one.world})"

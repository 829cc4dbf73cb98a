"""`PrepDataset`: batches of a plan, the same ones on any number of ranks and workers, from any step on."""
from __future__ import annotations

import numpy as np

from . import workers as pool
from .augment import augment_batch, fixed_pictures
from .batch import NEEDS, build, flatten_arms, picked
from .errors import PrepError, fault
from .feature_batch import numbers_of, shareable
from .features import KEYS as FEATURE_KEYS
from .features import CachedFeatures, FeatureOptions
from .harmony import ARM_BIT, ROLES, bit
from .images import memory
from .normalize import Normalizer
from .plan import Plan
from .random_rows import RandomRows
from .shards import ShardRows
from .tables import TAKE_ROWS, Tables

KEYS = tuple(NEEDS)


class PrepDataset:
    """Rank ``rank`` of ``world`` reads draws ``step·batch + rank·batch/world`` … of every global batch.

    Map-style by batch: ``dataset[i]`` is the i-th batch after ``start_step``, ``len(dataset)`` the number of whole batches from
    there. Iterable: goes on from :attr:`step`, which :meth:`state_dict` saves.

    Args:
        store: folder or URI of the store. plan: id of the plan, or "latest": that of the newest published generation.
        batch: rows of a global batch. rank, world: ``world`` must divide ``batch``.
        start_step: global batches before the first.
        columns: keys of the batch that are wanted; None for all. What is not wanted is not read.
        features: name or id of a feature set: `features` and `feature_mask` are then among the keys.
        reference: "row" (the plan's), a role, or "random" (by the row's seed, among cameras with a known rotation).
        history: "row", or "reference" (no motion: the constant identity).
        normalize: None, "translation", "all" or "robot", from ``stats`` (a path or the object of `prep stats`).
        arms: "slots" ([B, A, ...]), or "flatten" (each arm that is there is a sample of its own).
        instruction: "first", or "draw" (one of the episode's wordings by the row's seed).
        source: "shards" in order, "plan" at random, "auto": shards where they hold the whole plan.
        features_model: revision or fingerprint that the set's model must have, or an exported model.
        features_missing: "refuse", or a function (u8 [n, V, 256, 256, 3] RGB, mask [n, V]) -> [n, V, taps, 64, D] for rows without features.
        features_as: "float32", "float16", or "stored": arrays for :meth:`decode_features`. features_taps: some of the set's, in this order.
        verify_features: compare the checksum of every row of features.
        decode: False leaves ``image`` as lists of JPEG bytes. decoder: "simplejpeg", "turbojpeg", "torchvision", "pillow".
    """

    def __init__(
        self, store, plan, batch, rank=0, world=1, start_step=0, columns=None, features=None, reference="row", history="row", normalize=None, arms="slots",
        *, stats=None, instruction="first", source="auto", decode=True, decoder=None, storage_options=None,
        features_model=None, features_missing="refuse", features_as="float32", features_taps=None, verify_features=False,
    ):
        self.batch, self.rank, self.world = int(batch), int(rank), int(world)
        if self.batch < 1 or self.world < 1 or self.batch % self.world or not 0 <= self.rank < self.world:
            raise fault("bad-option", f"rank {rank} of world {world}", f"a world that divides the batch {batch}, and a rank in it", "these numbers")
        self.wanted = self._columns(columns, features is not None, callable(features_missing))
        _one_of("reference", reference, ("row", "random", *ROLES))
        _one_of("history", history, ("row", "reference"))
        _one_of("arms", arms, ("slots", "flatten"))
        _one_of("instruction", instruction, ("first", "draw"))
        _one_of("source", source, ("auto", "shards", "plan"))
        self.reference, self.history, self.arms, self.instruction = reference, history, arms, instruction
        self.decode, self.decoder = decode, decoder
        #: What pictures are decoded into; workers have memory of their own for it.
        self.memory = memory
        self.normalizer = None if normalize is None else Normalizer(stats, normalize)
        self._tables = Tables(store, storage_options)
        self._asked_source, self._limit = source, None
        self.plan_id = str(plan)
        self._plan: Plan | None = None
        self._rows = None
        self.start_step = self.step = 0
        self._open()
        options = FeatureOptions(features_model, features_missing, features_as, features_taps, verify_features)
        self._features = None if features is None else CachedFeatures(self._tables, self._plan, features, options)
        self._limit = self.plan.draws
        self._begin(start_step)

    # Opening: once per process, on first use.

    @property
    def plan(self) -> Plan:
        return self._open()

    def _open(self) -> Plan:
        self._tables.same_process()
        if self._plan is None:
            plan = Plan(self._tables, self.plan_id, self._limit)
            # A generation that is published later must not change what this reader and its workers see.
            self.plan_id, self._limit = plan.plan, plan.draws
            self.harmony, self.mask_language = plan.harmony, bool(plan.mixture.get("maskLanguage"))
            if self.reference in ROLES and self.reference not in self.harmony["roles"]:
                raise fault("bad-option", f'reference="{self.reference}"', f"a role of the plan: {', '.join(self.harmony['roles'])}", self.reference)
            self._plan = plan
            self._rows = self._open_rows(plan)
        return self._plan

    def _open_rows(self, plan: Plan):
        names = self._row_columns()
        shards = self._asked_source == "shards" or (self._asked_source == "auto" and self._tables.open(f"shards_{plan.plan}") is not None)
        rows = ShardRows(plan, self._tables, names) if shards else RandomRows(plan, self._tables, names)
        if shards and self._asked_source == "auto" and not rows.covers(0, plan.draws)[0]:
            rows = RandomRows(plan, self._tables, names)
        meta = self._image_metadata(plan, rows)
        self.width, self.height = meta["width"], meta["height"]
        return rows

    def _image_metadata(self, plan: Plan, rows) -> dict:
        if isinstance(rows, ShardRows) and rows.entries:
            return next(iter(self._tables.metadata(rows.entries[0]["table"])["datasets"].values()))["image"]
        return self._tables.metadata(f"{plan.datasets[0]}_steps")["image"]

    @property
    def source(self) -> str:
        """What rows are read from: "shards" or "plan"."""
        self._open()
        return "shards" if isinstance(self._rows, ShardRows) else "plan"

    def __getstate__(self) -> dict:
        """For another process: what to open, not what is open."""
        return {**self.__dict__, "_plan": None, "_rows": None}

    def robot(self, name: str) -> dict:
        """What the metadata say of a robot: arms, hz, ee_origin, eeFromTool."""
        datasets = self._known_metadata()
        for meta in datasets.values():
            if name in meta["robots"]:
                return meta["robots"][name]
        raise fault("bad-option", "robot", f"one of {', '.join(sorted({r for m in datasets.values() for r in m['robots']}))}", name)

    def _known_metadata(self) -> dict:
        if isinstance(self._rows, ShardRows) and self._rows.entries:
            return self._tables.metadata(self._rows.entries[0]["table"])["datasets"]
        return {name: self._tables.metadata(f"{name}_steps") for name in self.plan.datasets}

    def verify(self, shard: int) -> None:
        """Reads the order of a training shard and compares it with the index and the plan. Raises `stale-shard`."""
        self._open()
        if not isinstance(self._rows, ShardRows):
            raise fault("bad-option", "verify", "training shards", 'source="plan"')
        self._rows.verify(shard)

    # Steps and state.

    @property
    def steps(self) -> int:
        """Whole global batches of the plan; a rest smaller than a batch is not drawn."""
        return self.plan.draws // self.batch

    def _begin(self, step: int) -> None:
        if not 0 <= step <= self.steps:
            raise fault("bad-option", "start_step", f"0 to {self.steps}", str(step))
        self.start_step = self.step = int(step)
        if isinstance(self._rows, ShardRows) and step < self.steps:
            self._rows.need(step * self.batch, self.steps * self.batch)

    def state_dict(self, step: int | None = None) -> dict:
        """Where to go on. ``step``: global batches done since the plan's start, for loops that count themselves."""
        done = self.step if step is None else int(step)
        return {"plan": self.plan_id, "segment": self.plan.segment_at(done * self.batch), "step": done}

    def load_state_dict(self, state: dict) -> None:
        if state["plan"] != self.plan_id:
            raise fault("unknown-plan", "load_state_dict", f"a state of plan {self.plan_id}", f"one of plan {state['plan']}")
        self._begin(state["step"])

    # Batches.

    def __len__(self) -> int:
        return self.steps - self.start_step

    def __getitem__(self, index: int) -> dict:
        """The batch ``index`` steps after ``start_step``, this rank's rows of it."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"batches 0 to {len(self) - 1} exist, {index} asked")
        return self.batches_at([self.start_step + index % len(self)])[0]

    def __iter__(self):
        """From :attr:`step` on. In a PyTorch worker: every so-manieth batch, so that the loader puts them in order again."""
        worker, count = pool.place()
        together = min(TAKE_ROWS, self._features.most_rows) if "features" in self.wanted else TAKE_ROWS
        stride = max(1, together // self.share)
        while self.step + worker < self.steps:
            # Small batches are read several at a time; the state counts those that were handed out.
            first = self.step
            asked = [first + worker + i * count for i in range(stride) if first + worker + i * count < self.steps]
            for i, batch in enumerate(self.batches_at(asked)):
                self.step = min(first + (i + 1) * count, self.steps)
                yield batch

    def loader(self, workers: int = 0, prefetch: int = 2, pin_memory: bool = False):
        """Batches from :attr:`step` on, by PyTorch's spawned workers where there are any; :attr:`step` counts those handed out."""
        yield from pool.batches(self, workers, prefetch, pin_memory)

    @property
    def share(self) -> int:
        """Rows of this rank in a batch."""
        return self.batch // self.world

    def batches_at(self, steps: list[int]) -> list[dict]:
        """This rank's batches of any global steps, read together."""
        plan = self._open()
        first = np.asarray(steps, np.int64) * self.batch + self.rank * self.share
        draws = (first[:, None] + np.arange(self.share)).reshape(-1)
        rows = self._rows.read(draws)
        rows["draw"], rows["seed"] = draws, plan.seeds(draws)
        if "dataset" in self.wanted and "dataset" not in rows:
            rows["dataset"] = [plan.datasets[i] for i in rows["dataset_index"].tolist()]
        if self._features is not None and set(FEATURE_KEYS) & set(self.wanted):
            rows.update(self._features.read(rows, self._rows, self))
        whole = build(rows, self)
        # A worker's pictures become tensors, which do not know it anyway.
        if "features" in whole and isinstance(whole.get("image"), np.ndarray) and not pool.inside():
            whole["image"] = fixed_pictures(whole["image"])
        arms = np.stack([bit(rows["present"], ARM_BIT + a) for a in range(self.harmony["arms"])], 1)
        return [self._cut(whole, arms, slice(i * self.share, (i + 1) * self.share), len(steps)) for i in range(len(steps))]

    def _cut(self, whole: dict, arms: np.ndarray, rows: slice, count: int) -> dict:
        batch = whole if count == 1 else {name: picked(values, rows) for name, values in whole.items()}
        if self.arms == "flatten":
            batch = flatten_arms(batch, arms[rows])
        elif count > 1 and "features" in whole:
            # Indices copy: as a view, a small batch that is kept would keep all that were read with it.
            batch["features"] = picked(whole["features"], np.arange(rows.start, rows.stop))
        return {**batch, "features": shareable(batch["features"])} if "features" in batch else batch

    # Features.

    @property
    def feature_set(self) -> dict | None:
        """What the store says of the set: name, model (taps, prefixIds, positionRule …), views, signatures, codec."""
        return None if self._features is None else self._features.spec

    @property
    def features_missing_count(self) -> int:
        """Rows without stored features among those read here, by the workers of :meth:`loader` those handed out.

        What the workers of another loader read is not counted here.
        """
        return 0 if self._features is None else self._features.missing_count

    def count_missing(self, rows: int) -> None:
        """Adds what a worker counted."""
        if rows:
            self._features.count(rows)

    def decode_features(self, batch: dict, device=None, dtype=None):
        """[B, V, taps, 64, D]: a tensor on ``device``, an array without one. Needed with features_as="stored".

        ``dtype``: torch's for a tensor, numpy's for an array; without it that of features_as, and float32 for "stored".
        """
        if self._features is None or "features" not in batch:
            raise fault("bad-option", "decode_features", "a batch with features", "one without", "PrepDataset(…, features=…)")
        return numbers_of(self._features, batch, device, dtype)

    def augment(self, batch: dict, **options) -> dict:
        """The batch with `image` and `K` changed by each row's seed (:func:`robot_prep.augment`). Refused with cached features."""
        return augment_batch(batch, **options)

    # Options.

    def _columns(self, columns, features: bool, computes: bool) -> list[str]:
        given = [name for name in KEYS if features or name not in FEATURE_KEYS]
        wanted = [name for name in given if computes or name != "feature_computed"] if columns is None else list(columns)
        unknown = [name for name in wanted if name not in NEEDS]
        if unknown:
            raise fault("bad-option", "columns", f"keys of the batch: {', '.join(KEYS)}", ", ".join(unknown))
        if not set(wanted) <= set(given):
            raise fault("bad-option", "columns", "features= with the name of a feature set", f"{', '.join(set(wanted) - set(given))} without")
        return wanted

    def _row_columns(self) -> set[str]:
        """Columns of the mixed row that the batch is made of."""
        names = {column for key in self.wanted for column in NEEDS[key]}
        roles = self.harmony["roles"]
        if "image" in self.wanted:
            names |= {f"image_{role}" for role in roles}
        if names & {"action", "history", "proprio"} and self.reference != "row":
            names |= {"camera"}
        if "history" in names and self.history == "reference":
            names |= {"proprio"}
        if names & {"action", "history", "proprio"} and self.normalizer is not None and self.normalizer.mode == "robot":
            names |= {"robot"}
        if "instruction" in names and self.instruction == "draw":
            names |= {"instructions"}
        return names


def _one_of(name: str, value, allowed: tuple) -> None:
    if value not in allowed:
        raise fault("bad-option", name, f"one of {', '.join(allowed)}", repr(value))


__all__ = ["KEYS", "PrepDataset", "PrepError"]

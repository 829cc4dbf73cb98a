"""Batches of a store that the command line made: the same on any world, source, worker, and after any stop."""
import importlib.util
import os
import pickle
import random
import shutil
import unittest

import lance
import numpy as np

from robot_prep import PrepDataset, PrepError, PrepSource

from . import stores
from .stores import NO_STORE, PLAN, STORE, equal, joined

BATCH = 32
TORCH = importlib.util.find_spec("torch") is not None
SHAPES = {
    "image": ("B", "V", 3, 256, 256), "image_mask": ("B", "V"), "K": ("B", "V", 3, 3), "base_from_cam": ("B", "V", 4, 4), "k_mask": ("B", "V"),
    "rot_mask": ("B", "V"), "trans_mask": ("B", "V"), "reference": ("B",), "action": ("B", "A", "T", 10), "action_mask": ("B", "A", "T"),
    "history": ("B", "A", 10), "history_mask": ("B", "A"), "proprio": ("B", "A", 10), "proprio_mask": ("B", "A", 2), "language_mask": ("B",),
    "hz": ("B",), "seed": ("B",), "draw": ("B",),
}


@unittest.skipUnless(STORE, NO_STORE)
class Batches(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sharded = stores.copy_of_store()
        cls.shards = stores.write_shards(cls.sharded, PLAN, 96)

    def open(self, **options):
        return PrepDataset(options.pop("store", STORE), options.pop("plan", PLAN), options.pop("batch", BATCH), **options)

    def test_shapes(self):
        batch = self.open()[0]
        sizes = {"B": BATCH, "V": 3, "A": 2, "T": 32}
        for name, shape in SHAPES.items():
            self.assertEqual(batch[name].shape, tuple(sizes.get(s, s) for s in shape), name)
        for name in ("instruction", "dataset", "robot"):
            self.assertEqual([type(one) for one in batch[name]], [str] * BATCH, name)
        self.assertEqual(set(batch), {*SHAPES, "instruction", "dataset", "robot"})
        self.assertEqual(batch["image"].dtype, np.uint8)
        self.assertEqual(batch["draw"].tolist(), list(range(BATCH)))

    def test_rows_are_those_of_the_store(self):
        """Without the client's harmonising and masks: pictures, openness, steps as the step table has them."""
        data = self.open(decode=False)
        batch, rows = data[2], data._rows.read(np.arange(2 * BATCH, 3 * BATCH))
        for i in range(BATCH):
            table = lance.dataset(f"{STORE}/{batch['dataset'][i]}_steps.lance").to_table(filter=f"episode_key = {rows['episode_key'][i]} AND step = {rows['step'][i]}")
            row = table.to_pylist()[0]
            self.assertEqual(batch["image"][i][0], row["image_third"])
            self.assertEqual(batch["image"][i][1], row["image_wrist"])
            self.assertEqual(batch["robot"][i], row["robot"])
            self.assertEqual(batch["instruction"][i], row["instruction"])
            np.testing.assert_array_equal(batch["action"][i, 0, :, 9], np.float32(row["action"][9:320:10]))
            self.assertEqual(batch["action_mask"][i, 0].sum(), row["action_valid"])
            np.testing.assert_array_equal(batch["K"][i, 0, [0, 1, 0, 1], [0, 1, 2, 2]] if batch["k_mask"][i, 0] else 0, np.float32(row["camera"][:4]) if batch["k_mask"][i, 0] else 0)

    def test_shards_in_order_and_plan_at_random_are_the_same(self):
        shards, plan = self.open(store=self.sharded, instruction="draw"), self.open(instruction="draw")
        self.assertEqual((shards.source, plan.source), ("shards", "plan"))
        for step in range(len(plan)):
            self.assertEqual(equal(shards[step], plan[step]), [])
        for shard in range(len(self.shards)):
            shards.verify(shard)

    def test_worlds(self):
        whole = list(self.open(decode=False))
        for source, store in (("plan", STORE), ("shards", self.sharded)):
            for world in (1, 2, 4, 8):
                ranks = [list(self.open(store=store, source=source, rank=rank, world=world, decode=False)) for rank in range(world)]
                for step, batch in enumerate(whole):
                    self.assertEqual(equal(joined([rank[step] for rank in ranks]), batch), [], (source, world, step))

    def test_resume_at_random_steps(self):
        whole = list(self.open(decode=False))
        for seed in range(4):
            rng, data, found = random.Random(seed), self.open(store=self.sharded if seed % 2 else STORE, decode=False), []
            while len(found) < len(whole):
                for batch in data:
                    found.append(batch)
                    if rng.random() < 0.3:
                        break
                state = pickle.loads(pickle.dumps(data.state_dict()))
                self.assertEqual(state, {"plan": PLAN, "segment": 0, "step": len(found)})
                data = self.open(store=self.sharded if seed % 2 else STORE, decode=False)
                data.load_state_dict(state)
                self.assertEqual(len(data), len(whole) - len(found))
            for a, b in zip(found, whole, strict=True):
                self.assertEqual(equal(a, b), [])

    def test_start_step_and_source(self):
        source = PrepSource(STORE, PLAN, BATCH, decode=False)
        later = self.open(start_step=3, decode=False)
        self.assertEqual(equal(later[0], source[3]), [])
        self.assertEqual(equal(later[-1], source[len(source) - 1]), [])
        self.assertEqual(equal(pickle.loads(pickle.dumps(source))[4], source[4]), [])
        with self.assertRaises(IndexError):
            source[len(source)]

    @unittest.skipUnless(TORCH, "no torch")
    def test_workers(self):
        import torch

        whole = list(self.open(columns=["action", "image_mask", "instruction", "draw"]))
        for workers in (0, 2):
            data = self.open(start_step=1, columns=["action", "image_mask", "instruction", "draw"])
            found = []
            for batch in data.loader(workers=workers):
                found.append({k: v.numpy() if isinstance(v, torch.Tensor) else v for k, v in batch.items()})
                self.assertEqual(data.state_dict()["step"], 1 + len(found))
            for a, b in zip(found, whole[1:], strict=True):
                self.assertEqual(equal(a, b), [])

    @unittest.skipUnless(TORCH, "no torch")
    def test_iterable_in_workers(self):
        from torch.utils.data import DataLoader, IterableDataset

        loader = DataLoader(iterable_of(IterableDataset, self.open(columns=["draw"])), batch_size=None, num_workers=2, multiprocessing_context="spawn")
        self.assertEqual([int(b["draw"][0]) for b in loader], [BATCH * i for i in range(len(self.open()))])

    @unittest.skipUnless(hasattr(os, "fork"), "no fork")
    def test_forked_after_opening_says_so(self):
        data = self.open(columns=["draw", "action"])
        data[0]
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                data[1]
                os.write(write, b"read")
            except PrepError as error:
                os.write(write, str(error).encode())
            os._exit(0)
        os.waitpid(child, 0)
        self.assertIn("spawn", os.read(read, 1000).decode())

    def test_columns_are_not_read_when_not_wanted(self):
        data = self.open(columns=["action", "draw"])
        self.assertEqual(set(data[0]), {"action", "draw"})
        self.assertFalse([name for name in data._row_columns() if name.startswith("image")])

    def test_flatten(self):
        slots, flat = self.open(decode=False)[1], self.open(decode=False, arms="flatten")[1]
        row, arm = flat["row"], flat["arm"]
        present = np.array([[True, name == "agibot"] for name in slots["dataset"]])
        np.testing.assert_array_equal(np.stack(np.nonzero(present)), np.stack([row, arm]))
        for name in ("action", "action_mask", "history", "proprio", "proprio_mask"):
            np.testing.assert_array_equal(flat[name], slots[name][row, arm])
        np.testing.assert_array_equal(flat["seed"], slots["seed"][row])
        self.assertEqual(flat["instruction"], [slots["instruction"][i] for i in row])
        self.assertGreater(len(row), BATCH)
        self.assertEqual(flat["image"], [slots["image"][i] for i in row])

    def test_absent_arms_are_zeros(self):
        batch = self.open(decode=False)[0]
        one = np.array([name != "agibot" for name in batch["dataset"]])
        for name in ("action", "history", "proprio", "action_mask", "history_mask", "proprio_mask"):
            self.assertFalse(batch[name][one, 1].any(), name)

    def test_never_a_nan(self):
        store = stores.copy_of_store()
        for dataset in ("droid", "agibot", "interndata_a1"):
            stores.fill_with_nan(store, dataset)
        for options in ({}, {"reference": "random"}, {"reference": "wrist"}, {"history": "reference"}, {"arms": "flatten"}):
            for batch in self.open(store=store, decode=False, **options):
                for name, values in batch.items():
                    if getattr(values, "dtype", np.dtype(int)).kind == "f":
                        self.assertTrue(np.isfinite(values).all(), (options, name))
                for name in ("k_mask", "rot_mask", "trans_mask", "action_mask", "proprio_mask"):
                    self.assertFalse(batch[name].any(), (options, name))
                np.testing.assert_array_equal(batch["K"], np.broadcast_to(np.eye(3), batch["K"].shape))
                np.testing.assert_array_equal(batch["base_from_cam"], np.broadcast_to(np.eye(4), batch["base_from_cam"].shape))

    def test_drawn_instructions(self):
        first, drawn = (joined(list(self.open(columns=["instruction", "dataset", "draw"], instruction=how))) for how in ("first", "draw"))
        droid = [i for i, name in enumerate(first["dataset"]) if name == "droid"]
        ledger = lance.dataset(f"{STORE}/droid_episodes.lance").to_table(columns=["instructions"])["instructions"].to_pylist()
        wordings = {text: set(one) for one in ledger for text in one[:1]}
        changed = 0
        for i in droid:
            self.assertIn(drawn["instruction"][i], wordings[first["instruction"][i]])
            changed += drawn["instruction"][i] != first["instruction"][i]
        self.assertGreater(changed, len(droid) / 3)
        # A segment's text belongs to its steps: the other segments' do not.
        others = [i for i, name in enumerate(first["dataset"]) if name == "agibot"]
        self.assertEqual([drawn["instruction"][i] for i in others], [first["instruction"][i] for i in others])

    def test_random_reference(self):
        batch = joined(list(self.open(reference="random", columns=["reference", "rot_mask", "image_mask", "seed"])))
        again = joined(list(self.open(reference="random", columns=["reference", "rot_mask", "image_mask", "seed"])))
        np.testing.assert_array_equal(batch["reference"], again["reference"])
        slot = np.array([0, -1, 1, 2])[batch["reference"]]
        candidates = batch["rot_mask"] & batch["image_mask"]
        self.assertTrue(candidates[np.arange(len(slot)), slot].all())
        free = candidates.sum(1) >= 2
        share = (slot[free] == 0).mean()
        self.assertTrue(0.3 < share < 0.7, share)

    def test_constant_history(self):
        batch = self.open(history="reference", columns=["history", "history_mask", "proprio"])[0]
        present = batch["history_mask"]
        np.testing.assert_array_equal(batch["history"][present][:, :9], np.tile([0, 0, 0, 1, 0, 0, 0, 1, 0], (present.sum(), 1)))
        self.assertTrue(present[:, 0].all())

    def refused(self, words, **options):
        with self.assertRaises(PrepError) as caught:
            data = self.open(**options)
            for _ in data:
                pass
        for word in words:
            self.assertIn(word, str(caught.exception))

    def test_errors_name_what_is_wrong(self):
        self.refused(["unknown-plan", "nosuch", PLAN], plan="nosuch")
        self.refused(["world", "3"], world=3)
        self.refused(["columns", "actions"], columns=["actions"])
        self.refused(["feature set vlm", "none"], features="vlm")
        self.refused(["third2"], reference="third2")
        self.refused(["start_step"], start_step=10_000)
        self.refused(["stale-shard", f"shards_{PLAN}"], source="shards")

    def test_stale_missing_and_foreign_shards(self):
        for damage, words in (
            (lambda s: shutil.rmtree(f"{s}/{self.shards[1]}.lance"), [self.shards[1]]),
            (lambda s: lance.dataset(f"{s}/shards_{PLAN}.lance").delete("shard = 2"), ["00002", "draw 192"]),
            (lambda s: lance.dataset(f"{s}/{self.shards[1]}.lance").delete("draw = 100"), [self.shards[1], "96 rows", "95"]),
        ):
            store = stores.copy_of_store()
            stores.write_shards(store, PLAN, 96)
            damage(store)
            self.refused(["stale-shard", *words], store=store, source="shards")
            self.open(store=store, source="plan")[0]
        store = stores.copy_of_store()
        stores.write_shards(store, PLAN, 96, fingerprint="0" * 32)
        self.refused(["stale-shard", "fingerprint", self.shards[0]], store=store)

    def test_shard_dropped_while_it_is_read(self):
        store = stores.copy_of_store()
        names = stores.write_shards(store, PLAN, 96)
        data = self.open(store=store, source="shards")
        data[0]
        shutil.rmtree(f"{store}/{names[0]}.lance")
        with self.assertRaisesRegex(PrepError, f"stale-shard.*{names[0]}.*gone"):
            data[1]

    def test_shards_that_hold_a_part_are_left_alone(self):
        store = stores.copy_of_store()
        stores.write_shards(store, PLAN, 96)
        lance.dataset(f"{store}/shards_{PLAN}.lance").delete("shard = 2")
        self.assertEqual(self.open(store=store).source, "plan")

    def test_swapped_rows_of_a_shard_are_seen(self):
        store = stores.copy_of_store()
        names = stores.write_shards(store, PLAN, 96)
        rows = lance.dataset(f"{store}/shards_{PLAN}.lance").to_table().to_pylist()
        rows[0]["table"], rows[1]["table"] = names[1], names[0]
        stores.write_index(store, PLAN, [tuple(row.values()) for row in rows])
        self.refused(["stale-shard", names[1], "draws 0 to"], store=store)

    def test_episode_that_is_gone(self):
        store = stores.copy_of_store()
        lance.dataset(f"{store}/agibot_episodes.lance").delete("true")
        self.refused(["stale-shard", "agibot", "make a new plan"], store=store)
        store = stores.copy_of_store()
        lance.dataset(f"{store}/agibot_steps.lance").delete("step = 5")
        self.refused(["stale-shard", "agibot"], store=store)
        store = stores.copy_of_store()
        lance.dataset(f"{store}/agibot_episodes.lance").update({"group": "7"})
        self.refused(["stale-shard", "agibot", "another row in its place"], store=store)

    def test_plan_of_another_version(self):
        store = stores.copy_of_store()
        lance.dataset(f"{store}/plans.lance").update({"version": "2"})
        self.refused(["unknown-plan", "version 1", "version 2", PLAN], store=store)

    def test_state_of_another_plan(self):
        with self.assertRaisesRegex(PrepError, "unknown-plan"):
            self.open().load_state_dict({"plan": "other", "segment": 0, "step": 0})


def iterable_of(base, data):
    """The dataset as PyTorch's iterable kind; the class must be found by name in a spawned process."""
    return _Iterable(data)


if TORCH:
    from torch.utils.data import IterableDataset

    class _Iterable(IterableDataset):
        def __init__(self, data):
            self.data = data

        def __iter__(self):
            return iter(self.data)


if __name__ == "__main__":
    unittest.main()

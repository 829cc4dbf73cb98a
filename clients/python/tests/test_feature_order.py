"""Features follow the draws: on any world, from any step, in workers, in Grain."""
import importlib.util
import pickle
import unittest

import lance
import numpy as np
import pyarrow as pa

from robot_prep import PrepError, PrepSource

from . import stores
from .feature_case import BATCH, KEYS, WITHOUT, Stores, constant
from .feature_stores import HIDDEN, Written, freeze
from .stores import NO_STORE, PLAN, STORE, equal, joined

TORCH = importlib.util.find_spec("torch") is not None


@unittest.skipUnless(STORE, NO_STORE)
class Order(Stores):
    def test_shards_and_plan(self):
        for a, b in zip(self.open(source="shards", columns=None, decode=False), self.open(columns=None, decode=False), strict=True):
            self.assertEqual(equal(a, b), [])

    def test_worlds(self):
        whole = list(self.open())
        for world in (2, 8):
            ranks = [list(self.open(rank=rank, world=world)) for rank in range(world)]
            for step, batch in enumerate(whole):
                self.assertEqual(equal(joined([rank[step] for rank in ranks]), batch), [])

    def test_resume(self):
        data = self.open(batch=8)
        for _, _ in zip(range(45), data):
            pass
        state = pickle.loads(pickle.dumps(data.state_dict()))
        again = self.open(batch=8)
        again.load_state_dict(state)
        self.assertEqual((state["segment"], next(iter(again))["draw"].tolist()), (1, list(range(360, 368))))
        self.same(again[0], self.full)

    def test_flatten(self):
        for form in ("float32", "stored"):
            slots, data = self.open(features_as=form, columns=[*KEYS, "action"]), self.open(features_as=form, columns=[*KEYS, "action"], arms="flatten")
            batch, flat = slots[1], data[1]
            self.assertGreater(len(flat["row"]), BATCH)
            np.testing.assert_array_equal(data.decode_features(flat), slots.decode_features(batch)[flat["row"]])
            np.testing.assert_array_equal(flat["feature_mask"], batch["feature_mask"][flat["row"]])

    def test_no_gigabytes_for_small_batches(self):
        data = self.open(batch=4)
        row = 4 * 3 * 3 * 64 * HIDDEN
        self.assertEqual(data._features.most_rows, (256 << 20) // row)
        data._features.shape = (10, 64, 2048)
        self.assertEqual(data._features.most_rows, 17)

    def test_several_small_batches_at_once(self):
        for form in ("float32", "stored"):
            data = self.open(batch=4, features_as=form)
            for batch, _ in zip(data, range(5)):
                self.same({**batch, "features": data.decode_features(batch)}, self.full)
                # One that is kept does not keep those that were read with it.
                values = batch["features"] if form == "float32" else batch["features"]["third"]["values"]
                self.assertIsNone(values.base)
                self.assertEqual(len(values), 4)

    def test_grain_source_and_pickles(self):
        source = PrepSource(self.store, PLAN, BATCH, features="apt-stage1", columns=KEYS, source="plan")
        source[1]
        copy = pickle.loads(pickle.dumps(source))
        self.same(copy[7], self.full)
        self.assertEqual(equal(copy[7], source[7]), [])
        self.assertLess(len(pickle.dumps(source)), 60_000)

    def test_grain_reads_with_threads(self):
        from concurrent.futures import ThreadPoolExecutor

        source = PrepSource(self.store, PLAN, BATCH, features="apt-stage1", columns=KEYS, source="plan")
        with ThreadPoolExecutor(4) as threads:
            for batch in threads.map(source.__getitem__, range(len(source))):
                self.same(batch, self.full)

    def test_a_later_map_changes_nothing_here(self):
        store = stores.copy_of_store()
        freeze(store)
        written = Written(store, PLAN)
        data = self.open(store=store)
        path = f"{store}/features_{written.wish.set}_maps.lance"
        row = lance.dataset(path).to_table().to_pylist()[0]
        lance.write_dataset(pa.Table.from_pylist([{**row, "revision": 1, "table": "gone"}], schema=lance.dataset(path).schema), path, mode="append")
        self.same(pickle.loads(pickle.dumps(data))[0], written)
        self.refused("stale-features", ["gone"], store=store)

    @unittest.skipUnless(TORCH, "no torch")
    def test_workers(self):
        import torch

        for workers in (0, 2):
            for form in ("float32", "stored"):
                data, draws = self.open("int8", features_as=form, start_step=2), []
                for batch in data.loader(workers=workers):
                    draws += batch["draw"].tolist()
                    tensor = data.decode_features(batch, device="cpu", dtype=torch.float32)
                    self.assertEqual(tensor.shape, (BATCH, 3, 3, 64, HIDDEN))
                    self.same({**batch, "features": tensor.numpy(), "feature_mask": np.asarray(batch["feature_mask"])}, self.other["int8"], False)
                self.assertEqual(draws, list(range(2 * BATCH, 704)))
                self.assertEqual(data.decode_features(batch, "cpu", torch.bfloat16).dtype, torch.bfloat16)

    @unittest.skipUnless(TORCH, "no torch")
    def test_torch_decodes_every_codec(self):
        import torch

        for name in ("apt-stage1", "bf16", "int8", "f32"):
            for workers in (0, 1):
                data = self.open(name, features_as="stored", batch=352)
                for batch, expected in zip(data.loader(workers=workers), self.open(name, batch=352)):
                    self.assertEqual(isinstance(batch["features"]["wrist"]["values"], torch.Tensor), workers > 0)
                    np.testing.assert_array_equal(data.decode_features(batch), expected["features"])
                    found = data.decode_features(batch, "cpu", torch.float32)
                    np.testing.assert_array_equal(found.numpy(), expected["features"])

    @unittest.skipUnless(TORCH, "no torch")
    def test_workers_compute_and_count(self):
        for workers in (0, 2):
            data = self.open("gaps", features_missing=constant, columns=["features", "feature_computed", "draw"])
            computed = [t for b in data.loader(workers=workers) for t in b["draw"][b["feature_computed"]].tolist()]
            self.assertEqual(computed, sorted(WITHOUT))
            self.assertEqual(data.features_missing_count, len(WITHOUT))

    @unittest.skipUnless(TORCH, "no torch")
    def test_rows_are_counted_whatever_is_asked_for(self):
        for columns, arms in ((KEYS, "slots"), (["feature_computed", "image"], "flatten"), (["feature_mask", "image"], "slots")):
            for workers in (0, 1):
                data = self.open("gaps", features_missing=constant, columns=columns, arms=arms)
                for _ in data.loader(workers=workers):
                    pass
                self.assertEqual(data.features_missing_count, len(WITHOUT), (columns, arms, workers))

    @unittest.skipUnless(TORCH, "no torch")
    def test_pytorchs_own_loader(self):
        import torch

        for workers in (0, 1):
            data, expected = (self.open(columns=["image", *KEYS], start_step=20) for _ in range(2))
            loader = torch.utils.data.DataLoader(data, batch_size=None, num_workers=workers, multiprocessing_context="spawn" if workers else None)
            for batch, one in zip(loader, expected, strict=True):
                self.assertIs(type(batch["image"]), torch.Tensor)
                np.testing.assert_array_equal(batch["image"].numpy(), one["image"])
                self.same({name: value.numpy() for name, value in batch.items()}, self.full)

    @unittest.skipUnless(TORCH, "no torch")
    def test_a_workers_error_has_its_code(self):
        with self.assertRaises(PrepError) as caught:
            next(self.open("gaps").loader(workers=1))
        self.assertEqual(caught.exception.code, "stale-features")

if __name__ == "__main__":
    unittest.main()

"""Features with their rows: those that were written for the row's pictures, in every form and codec, or computed."""
import random
import unittest

import lance
import numpy as np

from robot_prep import PrepError
from robot_prep import feature_tables, tables
from robot_prep.random_rows import StepTable

from . import stores
from .feature_case import BATCH, KEYS, Stores, constant
from .feature_stores import HIDDEN, TAPS, VIEWS, Wish, Written, add_set, freeze
from .stores import NO_STORE, PLAN, STORE


@unittest.skipUnless(STORE, NO_STORE)
class Values(Stores):
    def test_shapes_and_the_set(self):
        data = self.open(columns=None)
        batch = data[0]
        self.assertEqual(batch["features"].shape, (BATCH, 3, 3, 64, HIDDEN))
        self.assertEqual((batch["features"].dtype, batch["feature_mask"].dtype), (np.float32, bool))
        self.assertEqual(set(batch) - set(self.open(features=None, columns=None)[0]), {"features", "feature_mask"})
        self.assertEqual((data.feature_set["model"]["prefixIds"], data.feature_set["views"]), ([1, 2], VIEWS))
        self.assertEqual(set(self.full.mask(range(BATCH)).sum(1)), {2, 3})
        self.assertGreater(len(self.full.tables), 3)
        self.assertIsNone(self.open(features=None, columns=["draw"]).feature_set)

    def test_every_draw_of_every_codec(self):
        for codec, written in {"f16": self.full, **self.other}.items():
            for source in ("plan", "shards"):
                for batch in self.open(written.wish.set, source=source):
                    self.same(batch, written, codec != "int8")

    def test_random_batches_worlds_and_starts(self):
        rng = random.Random(3)
        for _ in range(8):
            world = rng.choice([1, 2, 4])
            batch = world * rng.choice([1, 3, 16, 50])
            start = rng.randrange(704 // batch - 1)
            data = self.open(batch=batch, world=world, rank=rng.randrange(world), start_step=start, source=rng.choice(["plan", "shards"]))
            found = [data[rng.randrange(len(data))], *(one for one, _ in zip(data, range(3)))]
            for one in found:
                self.same(one, self.full)

    def test_float16(self):
        batch, again = self.open(features_as="float16")[0], self.open()[0]
        self.assertEqual(batch["features"].dtype, np.float16)
        np.testing.assert_array_equal(batch["features"], again["features"])
        with np.errstate(over="ignore"):
            batch = self.open("int8", features_as="float16")[0]
        np.testing.assert_allclose(batch["features"], self.other["int8"].numbers(batch["draw"].tolist()), rtol=1e-3, atol=1e-3)

    def test_numbers_too_large_for_float16(self):
        store = stores.copy_of_store()
        freeze(store)
        Written(store, PLAN, Wish("bf16", scale=5000))
        self.refused("bad-value", ["float16", 'features_as="float32"'], store=store, features_as="float16")
        self.open(store=store)[0]

    def test_some_taps(self):
        for codec in ("f16", "int8"):
            whole = self.open(self.other[codec].wish.set if codec in self.other else "apt-stage1")[3]
            for taps in ([3], [8, 0], [0, 3, 8]):
                for form in ("float32", "stored"):
                    data = self.open("int8" if codec == "int8" else "apt-stage1", features_taps=taps, features_as=form)
                    found = data.decode_features(data[3])
                    np.testing.assert_array_equal(found, whole["features"][:, :, [TAPS.index(tap) for tap in taps]])

    def test_stored_is_the_same_once_decoded(self):
        for name in ("apt-stage1", "bf16", "int8", "f32"):
            data = self.open(name, features_as="stored")
            stored, numbers = data[2], self.open(name)[2]
            self.assertEqual(set(stored["features"]), set(VIEWS))
            self.assertEqual(len(stored["features"]["third"]), 3 if name == "int8" else 1)
            np.testing.assert_array_equal(data.decode_features(stored), numbers["features"])
            np.testing.assert_array_equal(self.open(name).decode_features(numbers, dtype=np.float16), numbers["features"].astype(np.float16))

    def test_one_view_alone(self):
        for batch in self.open("vit"):
            # A third-person view in every row, whatever else it has: the set does not look at other views.
            self.assertTrue(batch["feature_mask"].all())
            self.same(batch, self.vision)

    def test_views_that_the_plan_lacks(self):
        store = stores.copy_of_store()
        freeze(store)
        written = Written(store, PLAN, Wish(views=["third", "wrist", "wrist2"]))
        spec = {**written.spec, "views": ["third", "third2", "wrist", "wrist2"]}
        lance.dataset(f"{store}/features.lance").delete("true")
        add_set(store, spec)
        batch = self.open(store=store)[0]
        self.assertFalse(batch["feature_mask"][:, 1].any() or batch["features"][:, 1].any())
        np.testing.assert_array_equal(batch["features"][:, [0, 2, 3]], written.numbers(batch["draw"].tolist()))

    def test_mask_alone_reads_no_numbers(self):
        data, asked = self.open(columns=["feature_mask", "draw"]), set()
        take = data._features.maps.take
        data._features.maps.take = lambda index, offsets, names: asked.update(names) or take(index, offsets, names)
        np.testing.assert_array_equal(data[1]["feature_mask"], self.full.mask(range(BATCH, 2 * BATCH)))
        self.assertEqual(asked, {"image_hash"})
        self.assertEqual(set(self.open(columns=["draw"])[0]), {"draw"})

    def test_step_tables_are_read_once(self):
        """Hashes come with the rows, in the plan's order of roles."""
        data, asked = self.open(columns=None), []
        take = StepTable.take
        self.addCleanup(setattr, StepTable, "take", take)
        StepTable.take = lambda table, key, step, names: asked.append((table.dataset, "image_hash" in names)) or take(table, key, step, names)
        rows = data._rows.read(np.arange(BATCH))
        np.testing.assert_array_equal(rows["image_hash"], stores.image_hashes(self.store, data.plan, data.harmony["roles"], np.arange(BATCH)))
        asked.clear()
        data[0]
        self.assertEqual(sorted(asked), [(name, True) for name in sorted(data.plan.datasets)])

    def test_few_tables_stay_open(self):
        most, tables.OPEN_FEATURES = tables.OPEN_FEATURES, 2
        self.addCleanup(setattr, tables, "OPEN_FEATURES", most)
        data = self.open()
        for batch in data:
            self.same(batch, self.full)
        there = [name for name in data._tables._open if name.startswith("features_")]
        self.assertEqual(len(there), 2)
        # The one that was used longest ago goes.
        data._tables.open(there[0])
        data._tables.open(self.full.tables[0][0])
        self.assertEqual([name for name in data._tables._open if name.startswith("features_")], [there[0], self.full.tables[0][0]])
        self.assertTrue({f"{name}_steps" for name in data.plan.datasets} <= set(data._tables._open))

    def test_each_row_is_read_once(self):
        data, rows = self.open(batch=352), []
        take = data._features.maps.take
        data._features.maps.take = lambda index, offsets, names: rows.extend((index, one) for one in offsets.tolist()) or take(index, offsets, names)
        data[0]
        self.assertEqual(len(rows), len(set(rows)))
        self.assertEqual(len(rows), len({self.full.frame(t) for t in range(352)}))

    def test_maps_are_read_by_ranges(self):
        size, feature_tables.WINDOW = feature_tables.WINDOW, 50
        self.addCleanup(setattr, feature_tables, "WINDOW", size)
        data, read = self.open(), []
        inner = data._features.maps._read
        data._features.maps._read = lambda row, number: read.append((row["start"], number)) or inner(row, number)
        for batch in data:
            self.same(batch, self.full)
        self.assertEqual(len(read), len(set(read)))
        self.assertEqual(len(read), 16)
        self.assertLessEqual(len(data._features.maps._windows), feature_tables.MOST_WINDOWS)


@unittest.skipUnless(STORE, NO_STORE)
class Missing(Stores):
    def test_refused_and_counted(self):
        data = self.open("gaps")
        with self.assertRaisesRegex(PrepError, "stale-features: feature set gaps.* 2 of 32 draws without, the first of them draw 5; .*prep features run.*features_missing"):
            data[0]
        self.assertEqual(data.features_missing_count, 2)
        self.same(data[2], self.gaps)
        self.assertEqual(data.features_missing_count, 2)

    def test_computed(self):
        for source in ("plan", "shards"):
            for columns in (None, KEYS):
                data = self.open("gaps", features_missing=constant, columns=columns, source=source)
                batch, pictures = data[0], self.open(features=None, columns=["image", "image_mask"])[0]
                expected, mask = self.gaps.numbers(range(BATCH)), self.gaps.mask(range(BATCH))
                for i in (5, 6):
                    mask[i] = pictures["image_mask"][i]
                    means = pictures["image"][i].mean((2, 3), dtype=np.float64).astype(np.float32)
                    expected[i] = np.tile(means, HIDDEN // 3)[:, None, None] * mask[i][:, None, None, None]
                np.testing.assert_array_equal(batch["feature_mask"], mask)
                np.testing.assert_array_equal(batch["features"], expected)
                self.assertEqual(data.features_missing_count, 2)
                if columns is None:
                    self.assertEqual(np.flatnonzero(batch["feature_computed"]).tolist(), [5, 6])

    def test_only_missing_rows_are_decoded(self):
        seen = []
        data = self.open("gaps", features_missing=lambda images, mask: seen.append(len(images)) or constant(images, mask))
        for step in range(len(data)):
            data[step]
        self.assertEqual(seen, [2, 1, 1])

    def test_computed_taps(self):
        data = self.open("gaps", features_missing=lambda images, mask: constant(images, mask)[:, :, :1], features_taps=[3])
        self.assertEqual(data[0]["features"].shape, (BATCH, 3, 1, 64, HIDDEN))

    def test_what_is_computed_is_looked_at(self):
        for value, words in ((np.nan, ["features_missing", "NaN"]), (1e9, ["finite numbers of float16"])):
            self.refused("bad-value", words, features="gaps", features_missing=lambda i, m: constant(i, m) * 0 + value, features_as="float16")
        self.refused("bad-value", ["[3, 3, 3, 64, 48]", "[3, 3]"], features="gaps", features_missing=lambda images, mask: mask)

    def test_views_of_no_graph(self):
        store = stores.copy_of_store()
        freeze(store)
        written = Written(store, PLAN, Wish(signatures=[["third", "wrist"]]))
        alone = int((~written.mask(range(BATCH)).any(1)).sum())
        with self.assertRaisesRegex(PrepError, f" {alone} of 32 .* {alone} of them with views that no graph"):
            self.open(store=store)[0]

if __name__ == "__main__":
    unittest.main()

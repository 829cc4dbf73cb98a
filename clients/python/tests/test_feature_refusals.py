"""What is refused: other sets and models, plans that train, maps and tables that are gone, pictures that changed, augmentation."""
import json
import pathlib
import pickle
import tempfile
import unittest

import lance
import numpy as np
import pyarrow as pa

from robot_prep import PrepError, augment

from . import stores
from .feature_case import KEYS, Stores, constant
from .feature_stores import VIEWS, Wish, Written, add_set, freeze, xxhash
from .stores import NO_STORE, PLAN, STORE, equal


@unittest.skipUnless(STORE, NO_STORE)
class Refusals(Stores):
    def fresh(self, wish: Wish | None = None) -> Written:
        store = stores.copy_of_store()
        freeze(store)
        return Written(store, PLAN, wish)

    def test_sets_that_are_not_there(self):
        self.refused("unknown-features", ["feature set vlm", "apt-stage1, bf16", "prep features run"], features="vlm")
        self.refused("unknown-features", ["feature sets none"], features="vlm", store=STORE)
        add_set(self.store, {**self.full.spec, "set": "00000000000000f9", "name": "gaps"})
        self.refused("unknown-features", ["several", "00000000000000f2, 00000000000000f9"], features="gaps")
        lance.dataset(f"{self.store}/features.lance").delete("`set` = '00000000000000f9'")
        newer = self.fresh()
        add_set(newer.store, {**newer.spec, "set": "0" * 16, "name": "newer", "codec": {"name": "int3"}})
        self.refused("unknown-features", ["int3", "client"], features="newer", store=newer.store)

    def test_model(self):
        with tempfile.TemporaryDirectory() as folder:
            for fingerprint, fine in (("f" * 64, True), ("e" * 64, False)):
                file = pathlib.Path(folder) / "model.json"
                file.write_text(json.dumps({"fingerprint": fingerprint}))
                for model in (folder, str(file), file, fingerprint):
                    if fine:
                        self.open(features_model=model)[0]
                    else:
                        self.refused("unknown-features", ["e" * 64, "f" * 64, "r" * 40], features_model=model)
            file.write_text("{}")
            self.refused("bad-model", [str(file), "fingerprint"], features_model=folder)
        self.open(features_model="r" * 40)
        self.refused("unknown-features", ["main", "r" * 40], features_model="main")
        self.refused("unknown-features", ["r" * 40], features_model="")

    def test_plans_that_train_the_model(self):
        vision = Wish(name="vit", set="00000000000000f3", language_model=False)
        written = self.fresh()
        Written(written.store, PLAN, vision)
        path = f"{written.store}/plans.lance"
        for mixture, apt, vit in (
            ({}, "trains_vlm", "trains_vision"), ({"trainsVlm": True, "trainsVision": False}, "trains_vlm", ""),
            ({"trainsVlm": False, "trainsVision": True}, "trains_vlm", "trains_vision"), ({"trainsVlm": False}, "", ""),
        ):
            lance.dataset(path).update({"mixture_json": "'%s'" % json.dumps(mixture)})
            for name, key in (("apt-stage1", apt), ("vit", vit)):
                if key:
                    self.refused("bad-option", [name, f'"{key}": true', "frozen"], features=name, store=written.store)
                else:
                    self.open(name, store=written.store)[0]

    def test_segments_without_a_map(self):
        written = self.fresh()
        freeze(written.store, 2)
        self.refused("stale-features", ["apt-stage1", f"segment 1 of plan {PLAN}", "prep features run"], store=written.store, read=False)
        lance.dataset(f"{written.store}/features_{written.wish.set}_maps.lance").update({"draws": "100"})
        self.refused("stale-features", ["draws 0 to 352", "0 to 100"], store=written.store, read=False)
        written.drop(f"features_{written.wish.set}_maps")
        self.refused("stale-features", ["segment 0"], store=written.store, read=False)

    def test_tables_that_are_gone_or_others(self):
        written = self.fresh()
        first, second = (name for name, _ in written.tables[:2])
        table = lance.dataset(f"{written.store}/{first}.lance").to_table()
        written.drop(first)
        self.refused("stale-features", [first, "prep features run"], store=written.store)
        lance.write_dataset(table.replace_schema_metadata({"prep": json.dumps({"set": "other", "views": VIEWS})}), f"{written.store}/{first}.lance", **stores.OPTIONS)
        self.refused("stale-features", [first, "set other"], store=written.store)
        written = self.fresh()
        short = lance.dataset(f"{written.store}/{first}.lance").to_table().slice(0, 3)
        written.drop(first)
        lance.write_dataset(short, f"{written.store}/{first}.lance", **stores.OPTIONS)
        self.refused("stale-features", [first], store=written.store)
        written = self.fresh()
        data = self.open(store=written.store)
        data[0]
        written.drop(first)
        written.drop(second)
        with self.assertRaisesRegex(PrepError, "stale-features"):
            for _ in data:
                pass
        written = self.fresh()
        written.drop(f"features_{written.wish.set}_map_{PLAN}_attempt00000")
        self.refused("stale-features", ["map"], store=written.store)

    def test_only_tables_that_are_gone_are_stale(self):
        class Failing:
            def __init__(self, error):
                self.error = error

            def take(self, offsets, columns):
                raise self.error

            def count_rows(self):
                return 1000

        data = self.open()
        maps, name = data._features.maps, data._features.maps.tables[0]["table"]
        maps._checked.add(name)
        for error in (OSError("connection timed out"), ValueError("no column of that name"), OSError("Object at x not found")):
            data._tables._open[name] = Failing(error)
            with self.assertRaises(PrepError if "not found" in str(error) else type(error)):
                maps.take(0, np.array([0]), ["image_hash"])

    def test_pictures_that_changed(self):
        for source in ("plan", "shards"):
            written = self.fresh()
            name = written.tables[0][0]
            path = f"{written.store}/{name}.lance"
            table = lance.dataset(path).to_table()
            hashes = table["image_hash"].combine_chunks().flatten().to_numpy().reshape(table.num_rows, -1).copy()
            old, hashes[0, 1] = int(hashes[0, 1]), 77
            at = table.column_names.index("image_hash")
            table = table.set_column(at, pa.field("image_hash", stores._fixed(hashes).type, False), stores._fixed(hashes))
            row = table.slice(0, 1).to_pylist()[0]
            written.drop(name)
            lance.write_dataset(table, path, **stores.OPTIONS)
            stores.write_shards(written.store, PLAN, 96)
            self.refused("stale-features", [row["dataset"], str(row["episode_key"]), f"step {row['step']}", "wrist", str(old), "those of 77"], store=written.store, source=source)

    def test_swapped_views_and_other_signatures(self):
        """A row that has one picture more than its features were made of is another frame."""
        written = self.fresh()
        path = f"{written.store}/features_{written.wish.set}_map_{PLAN}_attempt00000.lance"
        table = lance.dataset(path).to_table()
        views = [len(one["views"]) for one in json.loads(lance.dataset(f"{written.store}/features_{written.wish.set}_maps.lance").to_table().to_pylist()[0]["tables_json"])]
        moved = np.full(table.num_rows, views.index(2), np.int32)
        written.drop(path.rsplit("/", 1)[1][:-6])
        lance.write_dataset(pa.table([pa.array(moved), pa.array(np.zeros(len(moved), np.int32))], schema=table.schema), path, **stores.OPTIONS)
        self.refused("stale-features", ["features of the picture"], store=written.store)

    @unittest.skipUnless(xxhash, "no xxhash")
    def test_checksums(self):
        for codec in ("f16", "bf16", "int8", "f32"):
            written = self.fresh(Wish(codec))
            for columns in (KEYS, ["feature_mask", "draw"]):
                self.open(store=written.store, verify_features=True, columns=columns)[0]
            name = written.tables[0][0]
            path = f"{written.store}/{name}.lance"
            table = lance.dataset(path).to_table()
            sums = table["checksum"].to_numpy() + (np.arange(table.num_rows) == 4)
            written.drop(name)
            lance.write_dataset(table.set_column(table.column_names.index("checksum"), table.schema.field("checksum"), pa.array(sums)), path, **stores.OPTIONS)
            self.open(store=written.store)[0]
            self.refused("stale-features", [f"{name}, row 4", "checksum"], store=written.store, verify_features=True)

    def test_options(self):
        self.refused("bad-option", ["features_as", "float64"], features_as="float64")
        self.refused("bad-option", ["features_taps", "0, 3, 8", "4"], features_taps=[4])
        self.refused("bad-option", ["features_taps"], features_taps=[3, 3])
        self.refused("bad-option", ["features_taps"], features_taps=[])
        self.refused("bad-option", ["features_missing", "zeros"], features_missing="zeros")
        self.refused("bad-option", ["stored"], features_missing=constant, features_as="stored")
        self.refused("bad-option", ["columns", "features="], features=None)
        with self.assertRaisesRegex(PrepError, "decode_features"):
            self.open(columns=["draw"]).decode_features({})

    def test_augmentation(self):
        data = self.open(columns=None)
        batch = data[0]
        for change in (lambda: augment(batch["image"][0], batch["K"][0], 1), lambda: data.augment(batch), lambda: augment(batch["image"][np.array([1, 2])][1], batch["K"][0], 1)):
            with self.assertRaisesRegex(PrepError, "bad-option: augment.*colour or crop would no longer match the features"):
                change()
        copy = pickle.loads(pickle.dumps(batch["image"]))
        self.assertIs(type(copy), type(batch["image"]))
        np.testing.assert_array_equal(copy, batch["image"])
        plain = self.open(features=None, columns=None)
        changed, whole = plain.augment(plain[0], crop=0.8), plain[0]
        for i in (0, 9):
            image, K = augment(whole["image"][i], whole["K"][i], int(whole["seed"][i]), crop=0.8)
            np.testing.assert_array_equal(changed["image"][i], image)
            np.testing.assert_array_equal(changed["K"][i], K)
        self.assertEqual(set(equal(changed, whole)), {"image", "K"})

if __name__ == "__main__":
    unittest.main()

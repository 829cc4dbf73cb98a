"""What the tests of features share: a store with several sets, readers of it, and what they must find."""
import unittest

import numpy as np

from robot_prep import PrepDataset, PrepError

from . import stores
from .feature_stores import HIDDEN, TAPS, Wish, Written, freeze
from .stores import PLAN

BATCH = 32
WITHOUT = frozenset({5, 6, 40, 700})
KEYS = ["features", "feature_mask", "draw"]


def constant(images: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """By a function that spawned workers can find: the pictures' mean red, green and blue, over all channels."""
    assert images.dtype == np.uint8 and images.shape == (*mask.shape, 256, 256, 3)
    means = images.mean((2, 3), dtype=np.float64).astype(np.float32)
    return np.broadcast_to(np.tile(means, HIDDEN // 3)[:, :, None, None], (*mask.shape, len(TAPS), 64, HIDDEN)).copy()


class Stores(unittest.TestCase):
    """Two segments, several parts, two signatures; shards of the whole plan in a second copy."""

    @classmethod
    def setUpClass(cls):
        cls.store = stores.copy_of_store()
        freeze(cls.store, 2)
        cls.full = Written(cls.store, PLAN, Wish(revised=(1,)))
        cls.gaps = Written(cls.store, PLAN, Wish(name="gaps", set="00000000000000f2", without=WITHOUT))
        cls.other = {codec: Written(cls.store, PLAN, Wish(codec, name=codec, set=f"00000000000000a{i}")) for i, codec in enumerate(("bf16", "int8", "f32"))}
        cls.vision = Written(cls.store, PLAN, Wish(name="vit", set="00000000000000f3", signatures=[["third"]], views=["third"]))
        stores.write_shards(cls.store, PLAN, 96)

    def open(self, features="apt-stage1", **options):
        options = {"columns": KEYS, "batch": BATCH, "source": "plan", "store": self.store, **options}
        return PrepDataset(options.pop("store"), options.pop("plan", PLAN), options.pop("batch"), features=features, **options)

    def same(self, batch: dict, written: Written, exact=True):
        draws = np.asarray(batch["draw"]).tolist()
        np.testing.assert_array_equal(batch["feature_mask"], written.mask(draws))
        numbers = written.numbers(draws)
        if exact:
            np.testing.assert_array_equal(batch["features"], numbers)
        else:
            np.testing.assert_allclose(batch["features"], numbers, rtol=2e-5, atol=1e-5)
        self.assertTrue(np.isfinite(batch["features"]).all())

    def refused(self, code, words, read=True, **options):
        with self.assertRaises(PrepError) as caught:
            data = self.open(**options)
            for _ in data if read else ():
                pass
        self.assertEqual(caught.exception.code, code, caught.exception)
        for word in words:
            self.assertIn(word, str(caught.exception))

"""The order is that of the shared vectors, which the TypeScript side made."""
import json
import pathlib
import unittest

import numpy as np

from robot_prep.order import PlanOrder, draw_seed

VECTORS = pathlib.Path(__file__).parents[3] / "fixtures/order/vectors.json"


class Order(unittest.TestCase):
    def test_vectors(self):
        cases = json.loads(VECTORS.read_text())
        self.assertGreater(len(cases), 2)
        for case in cases:
            with self.subTest(case["name"]):
                wanted = np.array(case["draws"], np.int64)
                order = PlanOrder([case["segment"]])
                _, entry, domain, ordinal = order.at(wanted[:, 0])
                seeds = draw_seed(case["segment"]["seed"], wanted[:, 0])
                found = np.stack([wanted[:, 0], entry, domain, ordinal, seeds & np.uint64(0xFFFFFFFF), seeds >> np.uint64(32)], 1)
                np.testing.assert_array_equal(found.astype(np.int64), wanted)


if __name__ == "__main__":
    unittest.main()

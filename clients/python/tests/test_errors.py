"""The code of an error survives pickling and PyTorch's way of raising a worker's error anew."""
import pickle
import unittest

from robot_prep import PrepError
from robot_prep.errors import fault

ANEW = """Caught PrepError in DataLoader worker process 0.
Original Traceback (most recent call last):
  File "tables.py", line 1, in read
OSError: PrepError: not-this:

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "features.py", line 85, in read
robot_prep.errors.PrepError: stale-features: set x: expected features, found
PrepError: of what
"""


class Codes(unittest.TestCase):
    def test_pickled(self):
        error = pickle.loads(pickle.dumps(fault("stale-shard", "shard 1", "rows", "none")))
        self.assertEqual((error.code, str(error)), ("stale-shard", "stale-shard: shard 1: expected rows, found none"))

    def test_raised_anew(self):
        self.assertEqual(PrepError(ANEW).code, "stale-features")
        self.assertEqual(PrepError(ANEW.replace("direct cause", "cause\nrobot_prep.errors.PrepError: bad-value: x")).code, "stale-features")

    def test_a_text_of_ours_that_quotes_another(self):
        self.assertEqual(PrepError("bad-value: found\nPrepError: stale-shard: y").code, "bad-value")


if __name__ == "__main__":
    unittest.main()

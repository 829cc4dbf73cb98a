"""The memory between workers and the main process: what is held is never written over, what is let go is used again."""
import gc
import importlib.util
import os
import random
import unittest
from unittest import mock

import numpy as np

from robot_prep import PrepDataset
from robot_prep.ring import Ring, Sent

from .stores import NO_STORE, PLAN, STORE, equal

TORCH = importlib.util.find_spec("torch") is not None
BATCH = 16


class Places(unittest.TestCase):
    def test_a_view_keeps_its_place(self):
        ring = Ring(1, 2, 100)
        self.assertEqual([ring.take(0), ring.take(0), ring.take(0)], [0, 1, None])
        held, other = ring.held(0, (2, 3)), ring.held(1, (100,))
        view = held.transpose(1, 0)[1:]
        del held, other
        self.assertEqual([ring.take(0), ring.take(0)], [1, None])
        del view
        self.assertEqual(ring.take(0), 0)

    def test_workers_have_places_of_their_own(self):
        ring = Ring(3, 2, 10)
        self.assertEqual([ring.take(w) for w in (2, 0, 1, 2, 2)], [4, 0, 2, 5, None])
        for place in range(6):
            ring.array(place, (10,))[:] = place
        self.assertEqual([set(ring.array(place, (10,)).tolist()) for place in range(6)], [{p} for p in range(6)])

    def test_held_numbers_stay(self):
        """Any order of taking, holding views of, and letting go."""
        rng, ring, held = random.Random(5), Ring(2, 4, 64), []
        for number in range(2000):
            place = ring.take(rng.randrange(2))
            if place is not None:
                ring.array(place, (8, 8))[:] = number % 251
                whole = ring.held(place, (8, 8))
                held.append((number % 251, rng.choice([whole, whole[3], whole.T[1:, ::2], whole.reshape(-1)])))
                del whole
            elif held:
                held.pop(rng.randrange(len(held)))
            self.assertTrue(all((values == wanted).all() for wanted, values in held))
        self.assertGreater(len(held), 2)

    @unittest.skipUnless(hasattr(os, "fork"), "no fork")
    def test_a_forked_child_lets_nothing_go(self):
        ring = Ring(1, 1, 10)
        ring.take(0)
        held = ring.held(0, (10,))
        child = os.fork()
        if child == 0:
            del held
            gc.collect()
            os._exit(0)
        os.waitpid(child, 0)
        self.assertIsNone(ring.take(0))

    @unittest.skipUnless(TORCH, "no torch")
    def test_a_tensor_keeps_its_place(self):
        import torch

        ring = Ring(1, 1, 12)
        ring.take(0)
        tensor = torch.from_numpy(ring.held(0, (3, 4))).permute(1, 0)[2]
        self.assertIsNone(ring.take(0))
        array = tensor.numpy()
        del tensor
        self.assertIsNone(ring.take(0))
        del array
        self.assertEqual(ring.take(0), 0)

    @unittest.skipUnless(TORCH, "no torch")
    def test_pinned_batches_keep_their_count(self):
        ring = Ring(1, 1, 3)
        sent = Sent({"draw": np.arange(2)}, ring.number, ring.take(0), (1, 1, 1, 1, 3))
        sent.missing = 2
        with mock.patch("robot_prep.ring._pinned", lambda value: value):
            pinned = sent.pin_memory()
        self.assertEqual((pinned.missing, pinned.tensors()["image"].shape), (2, (1, 1, 3, 1, 1)))


@unittest.skipUnless(STORE and TORCH, NO_STORE if TORCH else "no torch")
class Workers(unittest.TestCase):
    """Decoded batches by spawned workers, for trainers that hold all, nothing, or a picture of each."""

    def open(self):
        return PrepDataset(STORE, PLAN, BATCH, columns=["image", "action", "instruction", "draw"])

    def check(self, keep, workers: int, prefetch: int) -> list[int]:
        wanted, kept, addresses = self.open(), [], []
        for step, batch in enumerate(self.open().loader(workers=workers, prefetch=prefetch)):
            arrays = {name: value.numpy() if hasattr(value, "numpy") else value for name, value in batch.items()}
            self.assertEqual(equal(arrays, wanted[step]), [])
            addresses.append(batch["image"].data_ptr())
            kept.append(keep(batch["image"]))
            # Else these names hold the batch.
            del batch, arrays
        self.assertEqual(len(kept), len(wanted))
        for step, tensor in enumerate(kept):
            if tensor is not None:
                np.testing.assert_array_equal(tensor.numpy(), keep(wanted[step]["image"]))
        return addresses

    def test_all_are_held(self):
        self.assertEqual(len(set(self.check(lambda image: image, 2, 1))), len(self.open()))

    def test_a_view_of_each_is_held(self):
        self.check(lambda image: image[3, 0, 1:, ::2], 1, 1)

    def test_memory_is_used_again(self):
        addresses = self.check(lambda image: None, 1, 1)
        self.assertLessEqual(len(set(addresses)), 3)
        self.assertGreater(len(addresses), 9)

    def test_a_step_at_a_time_resumes(self):
        data, found = self.open(), []
        for batch in data.loader(workers=2):
            found.append(batch["draw"][0].item())
            if len(found) == 4:
                break
        for batch in data.loader(workers=1):
            found.append(batch["draw"][0].item())
        self.assertEqual(found, [BATCH * i for i in range(len(self.open()))])


if __name__ == "__main__":
    unittest.main()

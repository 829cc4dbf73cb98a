"""Geometry, normalisation, augmentation: laws, with scipy as the reference."""
import importlib.util
import json
import pathlib
import tempfile
import unittest

import numpy as np

from robot_prep import Normalizer, PrepError, augment, base_from_ee_of, flange_from_tool, geometry, poses_of_actions
from robot_prep.harmony import harmonise
from robot_prep.images import DECODERS, decode_views, decoder

SCIPY = importlib.util.find_spec("scipy") is not None
if SCIPY:
    from scipy.spatial.transform import Rotation

RNG = np.random.default_rng(8)
STEPS, COUNT = 4, 60


def rigid(*shape) -> np.ndarray:
    out = np.zeros((*shape, 4, 4))
    out[..., :3, :3] = Rotation.random(int(np.prod(shape)), random_state=int(RNG.integers(2**31))).as_matrix().reshape(*shape, 3, 3)
    out[..., :3, 3], out[..., 3, 3] = RNG.normal(0, 0.5, (*shape, 3)), 1
    return out


def vector(matrix: np.ndarray, gripper: np.ndarray, layout: str) -> np.ndarray:
    six = matrix[..., :2, :3].reshape(*matrix.shape[:-2], 6) if layout == "rows" else np.swapaxes(matrix[..., :3, :2], -1, -2).reshape(*matrix.shape[:-2], 6)
    return np.concatenate([matrix[..., :3, 3], six, gripper[..., None]], -1)


def scene(layout="rows", tool=None, reference=0):
    """Rows by the definition of the conventions, in float64 with scipy's rotations: two arms, two cameras."""
    return {
        "layout": layout, "cameras": CAMERAS, "ee": POSES if tool is None else POSES @ tool, "reference": reference,
    }


def labels(s: dict) -> dict:
    base_from_cam = np.eye(4) if s["reference"] < 0 else s["cameras"][:, s["reference"]][:, None, None]
    now, then = s["ee"][:, :, :1], s["ee"][:, :, 1:]
    rcb = np.swapaxes(np.broadcast_to(base_from_cam, (COUNT, 1, 1, 4, 4))[..., :3, :3], -1, -2)
    motion = np.zeros((COUNT, 2, STEPS, 4, 4))
    motion[..., :3, 3] = (rcb @ (then[..., :3, 3] - now[..., :3, 3])[..., None])[..., 0]
    motion[..., :3, :3] = rcb @ then[..., :3, :3] @ np.swapaxes(now[..., :3, :3], -1, -2) @ np.swapaxes(rcb, -1, -2)
    cam_from_ee = np.linalg.inv(np.broadcast_to(base_from_cam, (COUNT, 1, 1, 4, 4)))[:, :, 0] @ now[:, :, 0]
    action = vector(motion, GRIP[..., 1:], s["layout"]).astype(np.float32)
    proprio = vector(cam_from_ee, GRIP[..., 0], s["layout"]).astype(np.float32)
    camera = np.concatenate([np.full((COUNT, 2, 4), 200.0), s["cameras"][..., :3, :].reshape(COUNT, 2, 12)], -1).astype(np.float32)
    return {
        "action": action, "history": action[:, :, 0].copy(), "proprio": proprio, "camera": camera, "robot": ["r"] * COUNT,
        "action_valid": np.full(COUNT, STEPS, np.int16), "present": np.full(COUNT, 0x130F0F, np.int32),
    }


if SCIPY:
    CAMERAS, POSES, GRIP, TOOL = rigid(COUNT, 2), rigid(COUNT, 2, STEPS + 1), RNG.uniform(-1, 1, (COUNT, 2, STEPS + 1)), rigid(1)[0]


def meta(reference="third", tool="native", rot6d="rows") -> dict:
    return {"roles": {"third": ["a"], "wrist": ["b"]}, "reference": reference, "tool": tool, "rot6d": rot6d, "robots": {"r": {"eeFromTool": TOOL.reshape(-1).tolist()}}}


def wanted(reference="third", tool="native", rot6d="rows", roles=("third", "wrist"), arms=2) -> dict:
    return {"roles": list(roles), "reference": reference, "tool": tool, "rot6d": rot6d, "arms": arms, "steps": STEPS}


@unittest.skipUnless(SCIPY, "no scipy")
class Geometry(unittest.TestCase):
    def close(self, found: dict, expected: dict, atol=2e-6):
        for name in ("action", "history", "proprio"):
            np.testing.assert_allclose(found[name], expected[name], atol=atol, err_msg=name)

    def test_rot6d(self):
        matrices = Rotation.random(200, random_state=1).as_matrix()
        for layout, six in (("rows", matrices[:, :2].reshape(-1, 6)), ("columns", np.swapaxes(matrices[:, :, :2], 1, 2).reshape(-1, 6))):
            np.testing.assert_allclose(geometry.rotation_from_rot6d(six, layout), matrices, atol=1e-12)
            np.testing.assert_allclose(geometry.rot6d(matrices, layout), six)
            # What a network says is made a rotation: Gram-Schmidt keeps the first direction and the plane.
            rough = geometry.rotation_from_rot6d(six * 1.7, layout)
            np.testing.assert_allclose(rough, matrices, atol=1e-12)
            noisy = geometry.rotation_from_rot6d(six + RNG.normal(0, 0.1, six.shape), layout)
            np.testing.assert_allclose(noisy @ np.swapaxes(noisy, 1, 2), np.tile(np.eye(3), (200, 1, 1)), atol=1e-12)
            np.testing.assert_allclose(np.linalg.det(noisy), 1)

    def test_tool(self):
        for layout in ("rows", "columns"):
            native, canonical = labels(scene(layout)), labels(scene(layout, TOOL))
            self.close(harmonise(native, meta(rot6d=layout), wanted(tool="canonical", rot6d=layout)), canonical)
            self.close(harmonise(canonical, meta(tool="canonical", rot6d=layout), wanted(rot6d=layout)), native)

    def test_reference(self):
        third, wrist, base = (labels(scene(reference=r)) for r in (0, 1, -1))
        self.close(harmonise(third, meta(), wanted("wrist")), wrist)
        self.close(harmonise(wrist, meta("wrist"), wanted("third")), third)
        self.close(harmonise(base, meta("base"), wanted("third")), third)

    def test_everything_at_once(self):
        native, other = labels(scene("columns")), labels(scene("rows", TOOL, 1))
        self.close(harmonise(native, meta(rot6d="columns"), wanted("wrist", "canonical")), other)

    def test_nothing_to_change_changes_no_bit(self):
        rows = labels(scene())
        found = harmonise(rows, meta(), wanted())
        for name in ("action", "history", "proprio", "camera", "present"):
            self.assertEqual(found[name].tobytes(), rows[name].tobytes())

    def test_slots(self):
        rows = labels(scene())
        one = {**rows, **{name: rows[name][:, :1] for name in ("action", "history", "proprio")}, "present": rows["present"] & ~(1 << 17)}
        found = harmonise(one, meta(), wanted(roles=("third2", "third"), arms=2))
        np.testing.assert_array_equal(found["action"][:, 1], 0)
        np.testing.assert_array_equal(found["camera"][:, 1], rows["camera"][:, 0])
        self.assertTrue(np.isnan(found["camera"][:, 0]).all())
        # The bits of the wrist's camera go with it.
        np.testing.assert_array_equal(found["present"], 0x11000F)

    def test_unknown_new_camera(self):
        rows = labels(scene())
        rows["present"][::2] &= ~(1 << 10)
        found = harmonise(rows, meta(), wanted("wrist"))
        self.assertEqual(set(found["action_valid"][::2]), {0})
        self.assertEqual(set(found["action_valid"][1::2]), {STEPS})
        self.assertFalse((found["present"][::2] >> 20 & 1).any())
        self.assertTrue(np.isnan(found["proprio"][::2, :, :9]).all())
        np.testing.assert_array_equal(found["proprio"][..., 9], rows["proprio"][..., 9])
        for name in ("action", "history"):
            np.testing.assert_array_equal(found[name][::2], 0)

    def test_deployment(self):
        s = scene("rows", TOOL)
        rows, base_from_cam = labels(s), CAMERAS[:, :1]
        now = base_from_ee_of(rows["proprio"], base_from_cam)
        np.testing.assert_allclose(now, (POSES @ TOOL)[:, :, 0], atol=1e-5)
        poses, openness = poses_of_actions(rows["action"], base_from_cam, now)
        np.testing.assert_allclose(poses, (POSES @ TOOL)[:, :, 1:], atol=1e-5)
        np.testing.assert_allclose(flange_from_tool(poses, TOOL.reshape(-1)), POSES[:, :, 1:], atol=1e-5)
        np.testing.assert_allclose(openness, (GRIP[..., 1:] + 1) / 2, atol=1e-6)


def stats(low=-1.0) -> dict:
    def one():
        q = np.sort(RNG.normal(0, 1, (2, 10)), 0)
        return {"mean": RNG.normal(0, 1, 10).tolist(), "std": RNG.uniform(0.1, 2, 10).tolist(), "q01": q[0].tolist(), "q99": q[1].tolist(), "min": [low] * 10, "max": [1.0] * 10, "count": 9}
    kinds = lambda: {kind: one() for kind in ("action", "history", "proprio")}
    return {"mixture": kinds(), "entries": {}, "datasets": {}, "robots": {"r": kinds(), "q": kinds()}}


class Normalisation(unittest.TestCase):
    def test_round_trip(self):
        one, robots = stats(), ["r", "q", "r"]
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "stats.json"
            path.write_text(json.dumps(one))
            for mode in ("translation", "all", "robot"):
                for kind, shape in (("action", (3, 2, 5, 10)), ("history", (3, 2, 10)), ("proprio", (3, 10))):
                    values = RNG.normal(0, 1, shape).astype(np.float32)
                    there = Normalizer(str(path), mode).apply(kind, values, robots)
                    self.assertFalse(np.allclose(there, values))
                    np.testing.assert_allclose(Normalizer(one, mode).inverse(kind, there, robots), values, atol=1e-5)

    def test_what_is_scaled(self):
        one, values = stats(), RNG.normal(0, 1, (2, 2, 4, 10)).astype(np.float32)
        reach = max(abs(x) for q in ("q01", "q99") for x in one["mixture"]["action"][q][:3])
        found = Normalizer(one, "translation").apply("action", values)
        np.testing.assert_allclose(found[..., :3], values[..., :3] / reach, rtol=1e-6)
        np.testing.assert_array_equal(found[..., 3:], values[..., 3:])
        every = Normalizer(one, "all").apply("action", values)
        np.testing.assert_allclose(every, (values - one["mixture"]["action"]["mean"]) / one["mixture"]["action"]["std"], rtol=1e-4, atol=1e-5)
        own = max(abs(x) for q in ("q01", "q99") for x in one["robots"]["q"]["action"][q][:3])
        np.testing.assert_allclose(Normalizer(one, "robot").apply("action", values, ["r", "q"])[1, ..., :3], values[1, ..., :3] / own, rtol=1e-6)

    def test_tiny_ranges(self):
        one = stats()
        one["mixture"]["action"]["std"][4] = 1e-9
        one["mixture"]["history"].update(q01=[0.0] * 10, q99=[1e-7] * 10)
        self.assertEqual(Normalizer(one, "all").numbers("action")[1][4], 1)
        np.testing.assert_array_equal(Normalizer(one, "translation").numbers("history")[1], 1)

    def test_errors(self):
        for options in (({"mixture": {}}, "sideways"), (None, "all"), ({}, "all")):
            with self.assertRaises(PrepError):
                Normalizer(*options)
        with self.assertRaisesRegex(PrepError, "statistics of z"):
            Normalizer(stats(), "robot").apply("action", np.zeros((1, 10), np.float32), ["z"])


class Pictures(unittest.TestCase):
    def test_augment_keeps_geometry(self):
        """A bright dot at the projection of a point stays at the projection of the point by the new K."""
        moved = 0
        for seed in range(40):
            k = np.array([[180.0, 0, 120.0], [0, 190.0, 131.0], [0, 0, 1]], np.float32)
            point = np.array([0.05, -0.1, 1.0])
            u, v = (k @ point)[:2]
            y, x = np.mgrid[:256, :256]
            dot = 255 * np.exp(-((x - u) ** 2 + (y - v) ** 2) / 18)
            image = np.broadcast_to(dot, (1, 3, 256, 256)).astype(np.uint8)
            # Small windows, so that half a pixel at the wrong place shows.
            out, new = augment(image, k[None], seed, crop=0.4)
            if not (20 < (new[0] @ point)[:2]).all() or not ((new[0] @ point)[:2] < 236).all():
                continue
            weight = out[0].astype(np.float64).sum(0)
            weight = np.maximum(weight - weight.min() - 30, 0)
            found = (weight * x).sum() / weight.sum(), (weight * y).sum() / weight.sum()
            np.testing.assert_allclose(found, (new[0] @ point)[:2], atol=0.1)
            moved += abs(new[0, 0, 0] / 180 - 1) > 0.01
        self.assertGreater(moved, 10)

    def test_augment_is_the_seed_s(self):
        image, k = RNG.integers(0, 256, (2, 3, 64, 64), dtype=np.uint8), np.tile(np.diag([60, 60, 1]).astype(np.float32), (2, 1, 1))
        seed = 2**63 + 5
        a, b, c = augment(image, k, seed), augment(image, k, seed), augment(image, k, seed + 1)
        np.testing.assert_array_equal(a[0], b[0])
        self.assertFalse(np.array_equal(a[0], c[0]))
        self.assertFalse(np.array_equal(a[1][0], a[1][1]))
        unknown = augment(image, np.tile(np.eye(3, dtype=np.float32), (2, 1, 1)), seed)[1]
        np.testing.assert_array_equal(unknown, np.tile(np.eye(3), (2, 1, 1)))
        still = augment(image, k, seed, crop=1, brightness=0, contrast=0, saturation=0)
        np.testing.assert_array_equal(still[0], image)
        np.testing.assert_allclose(still[1], k)

    def test_decoders_agree(self):
        """With Pillow, which every install has, to the last bit."""
        import io

        from PIL import Image

        small = Image.fromarray(RNG.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize((256, 256), Image.BICUBIC)
        file = io.BytesIO()
        small.save(file, "JPEG", quality=95, subsampling=0)
        expected = np.asarray(Image.open(file)).transpose(2, 0, 1)
        tried = []
        for name in DECODERS:
            try:
                decoder(name)
            except (ImportError, OSError, RuntimeError):
                continue
            tried.append(name)
            out = decode_views([[memoryview(file.getvalue())], [b""]], 256, 256, name)
            np.testing.assert_array_equal(out[0, 0], expected, err_msg=name)
            self.assertFalse(out[0, 1].any())
        self.assertIn("pillow", tried)

    def test_memory_is_not_shared_while_held(self):
        import io

        from PIL import Image

        files = []
        for shade in (10, 200):
            file = io.BytesIO()
            Image.new("RGB", (256, 256), (shade,) * 3).save(file, "JPEG")
            files.append(file.getvalue())
        first = decode_views([[files[0]]], 256, 256)[0, 0, 1]
        for _ in range(6):
            decode_views([[files[1]]], 256, 256)
        self.assertEqual(set(first.reshape(-1).tolist()), {10})

    def test_wrong_size_is_named(self):
        import io

        from PIL import Image

        file = io.BytesIO()
        Image.new("RGB", (32, 16)).save(file, "JPEG")
        with self.assertRaisesRegex(PrepError, "256x256.*32x16"):
            decode_views([[file.getvalue()]], 256, 256, "pillow")


if __name__ == "__main__":
    unittest.main()

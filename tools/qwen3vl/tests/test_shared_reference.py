"""Against the project's shared reference of another tiny model, where it is at hand."""
import os
import pathlib
import tempfile
import unittest

import numpy as np
from PIL import Image

from qwen3vl.check import run

from .models import ROOT, exported

SHARED = pathlib.Path(os.environ.get("QWEN3VL_TINY", ROOT / "shared/data/qwen3vl_tiny"))
SHARED = SHARED if SHARED.exists() else ROOT.parent / "shared/data/qwen3vl_tiny"
TAPS = (0, 3, 6, 8, 11, 14, 17, 20, 22, 25)


@unittest.skipUnless(SHARED.exists(), "shared/data/qwen3vl_tiny is absent (QWEN3VL_TINY names it)")
class SharedReference(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.images = np.stack([np.stack([np.asarray(Image.open(SHARED / f"images/pair{i}_{r}.png")) for r in ("third", "wrist")]) for i in range(3)])
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="qwen3vl_"))
        exported(SHARED / "checkpoint", cls.folder / "hf", "--signatures", "third+wrist", "--outputs", "f32,int8", pictures=cls.images)
        exported(SHARED / "checkpoint", cls.folder / "blocks", "--signatures", "third+wrist", "--outputs", "f32", "--taps", "0,1,2,3", "--tap-point", "block_input", pictures=cls.images)
        cls.got = run(cls.folder / "hf/third+wrist.f32.onnx", {"images": cls.images})

    def near(self, found, want, bound=1e-5):
        self.assertLessEqual(float(np.abs(found - want).max() / np.abs(want).max()), bound)

    def test_hidden_states(self):
        for name in ("hidden_states.npz", "hidden_states_with_instruction.npz"):
            stored = np.load(SHARED / name)
            for t, tap in enumerate(TAPS):
                for v, role in enumerate(("third", "wrist")):
                    with self.subTest(name, tap=tap, role=role):
                        self.near(self.got[role][:, t], stored[f"hidden_{tap}"][:, v])

    def test_block_inputs(self):
        stored = np.load(SHARED / "hidden_states_all_layers_pair0.npz")["block_input"]
        got = run(self.folder / "blocks/third+wrist.f32.onnx", {"images": self.images[:1]})
        for t in range(4):
            for v, role in enumerate(("third", "wrist")):
                self.near(got[role][0, t], stored[t, v])

    def test_dropped_deepstack_is_far(self):
        stored = np.load(SHARED / "hidden_states_no_deepstack.npz")
        x, y = self.got["third"][0, 1], stored["hidden_3"][0, 0]
        self.assertGreater(float(np.sqrt(((x - y) ** 2).sum() / (y**2).sum())), 0.3)

    def test_codec(self):
        import json

        channels = json.loads((SHARED / "model.json").read_text())["codec"]["outlierChannelsPerTap"]
        outliers = np.array([channels[str(t)] for t in TAPS])
        stored = np.load(SHARED / "codec_int8_pair0.npz")
        got = run(self.folder / "hf/third+wrist.int8.onnx", {"images": self.images[:1], "outliers": outliers})
        off = []
        for t, tap in enumerate(TAPS):
            for v, role in enumerate(("third", "wrist")):
                off.append(np.abs(got[role][0, t].astype(int) - stored[f"hq8_{tap}_q"][v]))
                scale = got[role + "_scale"][0, t].view(np.uint16).astype(int) - stored[f"hq8_{tap}_scale"][v]
                self.assertLessEqual(np.abs(scale).max(), 1)
                side, want = got[role + "_side"][0, t].astype(np.float32), stored[f"hq8_{tap}_side"][v].view(np.float16).astype(np.float32)
                np.testing.assert_allclose(side, want, rtol=2**-10, atol=1e-5 * np.abs(want).max())
        self.assertLessEqual(np.max(off), 1)
        self.assertLessEqual(np.mean(np.array(off) > 0), 1e-3)


if __name__ == "__main__":
    unittest.main()

"""Presets, prompt, fingerprint, codec and refusals: what needs no export."""
import contextlib
import io
import unittest
from types import SimpleNamespace

import numpy as np
import torch

from qwen3vl import codec, codec_numpy, describe, export, presets, random_model
from qwen3vl.checkpoint import text_facts, vision_facts
from qwen3vl.prompt import Prompt

from .models import TINY, described

IDS = {"image": 505, "video": 506, "vision_start": 502, "vision_end": 503}


class Presets(unittest.TestCase):
    def test_lists(self):
        self.assertEqual(presets.taps_of("apt-stage1", 28, 3).at, (0, 3, 6, 8, 11, 14, 17, 20, 22, 25))
        self.assertEqual(presets.taps_of("apt-n20", 28, 3).at, (0, 1, 3, 4, 6, 7, 8, 10, 11, 13, 14, 15, 17, 18, 20, 21, 22, 24, 25, 27))
        self.assertEqual(presets.taps_of("gr00t-last", 28, 3).at, (28,))
        self.assertEqual(presets.taps_of("pi-all", 36, 3), presets.Taps("block_input", tuple(range(36)), "pi-all"))
        self.assertEqual(presets.taps_of("vit", 28, 3).at, ("vision_output", "deepstack_0", "deepstack_1", "deepstack_2"))

    def test_halves_go_up(self):
        self.assertEqual(presets.half_up(1, 5, 10), 1)  # 0.5; Python's round would give 0


class Prompts(unittest.TestCase):
    def test_positions_are_those_of_transformers(self):
        from transformers import Qwen3VLModel

        config = random_model.config_of("tiny")
        with torch.device("meta"):
            model = Qwen3VLModel(config)
        for views in (1, 2, 3):
            prompt = Prompt((500, 72, 98), IDS)
            ids = torch.tensor([prompt.ids(views)])
            want, _ = model.get_rope_index(ids, mm_token_type_ids=(ids == 505).int(), image_grid_thw=torch.tensor([[1, 16, 16]] * views))
            self.assertEqual(prompt.positions(views), want[:, 0].tolist())

    def test_places(self):
        found = Prompt((500, 72, 98), IDS).described([("third", "wrist"), ("third",)])
        self.assertEqual(found["signatures"]["third+wrist"]["imageTokenPositions"], [[4, 67], [70, 133]])
        self.assertEqual(len(found["signatures"]["third"]["ids"]), 69)


class Fingerprints(unittest.TestCase):
    def test_what_changes_it(self):
        same = described("--revision", "a", "--outputs", "f16", "--opset", "18")["fingerprint"]
        self.assertEqual(same, described("--revision", "a")["fingerprint"])
        others = [
            described("--revision", "b"),
            described("--revision", "a", prefix="500,72"),
            described("--revision", "a", "--views", "wrist,third"),
            described("--revision", "a", "--precision", "bf16"),
            described("--revision", "a", "--taps", "0,3"),
            described("--revision", "a", "--taps", "0,3", "--tap-point", "block_input"),
        ]
        self.assertEqual(len({same, *(o["fingerprint"] for o in others)}), 7)

    def test_flop_of_the_2b_model(self):
        """Counted independently: 523, 683 and 724 GFLOP for two views to layers 13, 25 and 28."""
        config = random_model.config_of("2b")
        source = SimpleNamespace(text=text_facts(config.text_config), vision=vision_facts(config.vision_config))
        for last, giga in ((13, 523), (25, 683), (28, 724)):
            spec = SimpleNamespace(taps=presets.Taps("hf_hidden_states", (last,)), image={"width": 256}, prompt=Prompt((1, 2, 3), IDS))
            self.assertLess(abs(describe.flops(source, spec, 2) / 1e9 / giga - 1), 0.02)


class Codec(unittest.TestCase):
    def test_module_equals_numpy(self):
        rng = np.random.default_rng(0)
        for hidden in (2048, 2560, 4096, 40):
            with self.subTest(hidden):
                x = rng.normal(0, 1, (1, 2, 64, hidden)).astype(np.float32)
                x[..., 3] *= 300
                x[0, 0, 5] = 0
                outliers = np.array([[3, 7], [0, 3]])
                found = codec.Hq8(hidden)(torch.from_numpy(x), torch.from_numpy(outliers))
                q, scale, side = (part.numpy() for part in found)
                for tap in range(2):
                    want = codec_numpy.encoded(x[:, tap], outliers[tap], codec.signs_of(hidden), codec.block_of(hidden))
                    off = np.abs(q[:, tap].astype(int) - want[0])
                    self.assertLessEqual(off.max(), 1)
                    self.assertLessEqual((off > 0).mean(), 1e-3)
                    np.testing.assert_array_equal(scale[:, tap], want[1])
                    np.testing.assert_array_equal(side[:, tap], want[2])
                    back = codec_numpy.decoded(*want, outliers[tap], codec.signs_of(hidden), codec.block_of(hidden))
                    self.assertLess(np.abs(back - x[:, tap]).max(), 0.05 * np.abs(x[:, tap]).std())

    def test_blocks(self):
        self.assertEqual([codec.block_of(d) for d in (2048, 2560, 4096)], [2048, 512, 4096])


class Refusals(unittest.TestCase):
    def refused(self, *options):
        text = io.StringIO()
        with contextlib.redirect_stderr(text):
            self.assertEqual(export.main([str(TINY / "checkpoint"), *options]), 1)
        return text.getvalue()

    def test_words(self):
        self.assertIn("expected a tokenizer", self.refused("/nowhere/out"))
        self.assertIn("name another folder", self.refused(str(TINY), "--prefix-ids", "500"))
        self.assertIn("in that order", self.refused("/nowhere/out", "--prefix-ids", "500", "--signatures", "wrist+third"))
        self.assertIn("expected taps from 0 to 28", self.refused("/nowhere/out", "--prefix-ids", "500", "--taps", "29"))
        self.assertIn("f32, f16, int8", self.refused("/nowhere/out", "--prefix-ids", "500", "--outputs", "bf16"))


if __name__ == "__main__":
    unittest.main()

"""Presets, prompt, fingerprint, codec and refusals: what needs no export."""
import contextlib
import io
import json
import pathlib
import tempfile
import unittest
from types import SimpleNamespace

import numpy as np
import torch

from qwen3vl import check, codec, codec_numpy, describe, export, inputs, presets, random_model
from qwen3vl.checkpoint import Checkpoint, Refused, text_facts, vision_facts
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

    def test_numbers_and_prefix(self):
        out = "/nowhere/out"
        for options, words in (
            (("--prefix-ids", "500,x"), "expected --prefix-ids as whole numbers"),
            (("--prefix-ids", "500", "--taps", "0,three"), "expected --taps as whole numbers"),
            (("--prefix-ids", "500", "--prefix-text", "hello"), "found both"),
            (("--prefix-ids", "512"), "from 0 to 511, found 512"),
            (("--prefix-ids=-1",), "from 0 to 511, found -1"),
            (("--prefix-ids", "500,505"), "found 505 (image)"),
            (("--prefix-ids", "506"), "found 506 (video)"),
            (("--prefix-ids", "502"), "found 502 (vision_start)"),
            (("--prefix-ids", "503"), "found 503 (vision_end)"),
            (("--prefix-ids", "500", "--signatures", ""), "expected at least one of the signatures"),
        ):
            for unchecked in ((), ("--unchecked",)):
                with self.subTest(options, unchecked=unchecked):
                    self.assertIn(words, self.refused(out, *options, *unchecked))


class Processors(unittest.TestCase):
    """What the image processor says and the graph would not do."""

    def image(self, without=(), **changed):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="qwen3vl_"))
        for file in (TINY / "checkpoint").iterdir():
            (folder / file.name).symlink_to(file)
        (folder / "preprocessor_config.json").unlink()
        facts = {k: v for k, v in {**random_model.PROCESSOR, **changed}.items() if k not in without}
        (folder / "preprocessor_config.json").write_text(json.dumps(facts))
        return inputs.image_from(Checkpoint(folder))

    def test_taken(self):
        self.assertEqual(self.image()["mean"], [0.5] * 3)
        self.image(rescale_factor=0.00392156862745098)
        self.image(without=("do_rescale", "do_normalize", "rescale_factor"))  # transformers' defaults are the graph's arithmetic
        self.image(without=("size",), min_pixels=65536, max_pixels=65536)

    def test_refused(self):
        edges = random_model.PROCESSOR["size"]
        for words, changed in (
            ("do_rescale true", {"do_rescale": False}),
            ("do_normalize true", {"do_normalize": False}),
            ("do_normalize true", {"do_normalize": None}),
            ("rescale_factor 1/255", {"rescale_factor": 1 / 256}),
            ("rescale_factor 1/255", {"rescale_factor": None}),
            ("leaves 256x256", {"size": {**edges, "longest_edge": 65535}}),
            ("leaves 256x256", {"max_pixels": 65535}),
            ("leaves 256x256", {"size": {**edges, "shortest_edge": 65537}}),
            ("leaves 256x256", {"without": ("size",)}),
            ("patch_size 16", {"patch_size": 14}),
            ("merge_size 2", {"merge_size": 1}),
            ("temporal_patch_size 2", {"without": ("temporal_patch_size",)}),
            ("as image_mean", {"without": ("image_mean",)}),
            ("as image_std", {"without": ("image_std",)}),
            ("as image_std", {"image_std": [0.5, 0, 0.5]}),
        ):
            with self.subTest(changed), self.assertRaisesRegex(Refused, words):
                self.image(**changed)


class Bounds(unittest.TestCase):
    """The self check's own arithmetic, on made-up numbers."""

    def test_above_float16(self):
        got = {"third": np.zeros((1, 2, 64, 8), np.float32)}
        check.check_range(got, (0, 3), ("third",))
        got["third"][0, 1, 5, 2] = -70000
        with self.assertRaisesRegex(check.CheckFailed, r"tap 3 reaches 70000, float16 ends at 65504: leave f16 \(and int8\) out of --outputs"):
            check.check_range(got, (0, 3), ("third",))

    def test_bf16(self):
        want = np.random.default_rng(0).normal(0, 1, (2, 64, 32)).astype(np.float32)
        self.assertEqual(check.checked_bf16(want, want, "here")["relRms"], 0)
        one_token = want.copy()
        one_token[1, 7] = want[1, 8]  # the RMS over all tokens hardly sees it
        for ours, words in ((want * 1.1, "relative RMS 0.1000"), (one_token, "least token cosine"), (np.where(want == want[0, 0, 0], np.inf, want), "found 1 others"), (want * 0, "token cosine nan")):
            with self.subTest(words), self.assertRaisesRegex(check.CheckFailed, words):
                check.checked_bf16(ours, want, "here")


if __name__ == "__main__":
    unittest.main()

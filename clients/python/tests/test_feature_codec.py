"""Stored features back to numbers: the prep side's golden files, made by numpy and scipy, and a tiny model's own."""
import base64
import hashlib
import importlib.util
import json
import pathlib
import unittest
import warnings

import numpy as np

from robot_prep import PrepError
from robot_prep.feature_codec import decode, hadamard

ROOT = pathlib.Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "fixtures" / "features"
TINY = ROOT.parent / "shared" / "data" / "qwen3vl_tiny"
TORCH = importlib.util.find_spec("torch") is not None
if TORCH:
    import torch
BACKENDS = ("numpy", "torch") if TORCH else ("numpy",)


def golden(name: str):
    return json.loads((GOLDEN / f"{name}.json").read_text())


def array(text: str, dtype) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype)


def spec_of(one: dict, codec: dict) -> dict:
    return {"model": {"taps": list(range(one["taps"])), "tokens": one["tokens"], "hidden": one["hidden"]}, "codec": codec}


def hq8(one: dict) -> dict:
    return {"name": "int8", "block": one["block"], "signs": one["signs"], "outliers": one["outliers"]}


def stored(one: dict) -> dict:
    """As the columns of a table come: float16 numbers, int8 numbers; not to be written to."""
    kinds = {"values": np.int8, "scale": np.float16, "side": np.float16}
    return {key: array(one["hq8"][key], kind).reshape(one["rows"], -1) for key, kind in kinds.items()}


def numbers(found) -> np.ndarray:
    return found.float().cpu().numpy() if TORCH and isinstance(found, torch.Tensor) else found


class Codecs(unittest.TestCase):
    def setUp(self):
        self.cases = golden("int8")

    def shape(self, one):
        return one["rows"], one["taps"], one["tokens"], one["hidden"]

    def test_sixteen_bits(self):
        for one in self.cases:
            x = array(one["x"], np.float32).reshape(self.shape(one))
            for xp in BACKENDS:
                half = {"values": array(one["f16"]["values"], np.float16).reshape(one["rows"], -1)}
                np.testing.assert_array_equal(numbers(decode(spec_of(one, {"name": "f16"}), half, xp)), x.astype(np.float16).astype(np.float32))
                brain = {"values": array(one["bf16"]["values"], np.uint16).reshape(one["rows"], -1)}
                found = numbers(decode(spec_of(one, {"name": "bf16"}), brain, xp))
                self.assertEqual(found.dtype, np.float32)
                np.testing.assert_allclose(found, x, rtol=2**-8)
                self.assertFalse((found.view(np.uint32) & 0xFFFF).any())

    def test_every_pattern(self):
        digests, every = golden("half")["decoded"], np.arange(65536, dtype=np.uint32).astype(np.uint16).reshape(1, -1)
        one = {"taps": 2, "tokens": 64, "hidden": 512}
        for xp in BACKENDS:
            for name in ("f16", "bf16"):
                found = numbers(decode(spec_of(one, {"name": name}), {"values": every}, xp)).reshape(-1)
                found = np.where(np.isnan(found), np.float32(0), found)
                self.assertEqual(hashlib.sha256(found.tobytes()).hexdigest(), digests[name], f"{name} {xp}")

    def test_int8(self):
        for one in self.cases:
            wanted = array(one["hq8"]["decoded"], np.float32).reshape(self.shape(one))
            for xp in BACKENDS:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    found = numbers(decode(spec_of(one, hq8(one)), stored(one), xp))
                self.assertEqual((found.shape, found.dtype), (wanted.shape, np.float32))
                for tap in range(one["taps"]):
                    np.testing.assert_allclose(found[:, tap], wanted[:, tap], rtol=0, atol=3e-7 * np.abs(wanted[:, tap]).max())

    def test_bits_of_float16_do_as_well(self):
        one = self.cases[0]
        bits = {key: a.view(np.uint16) if key != "values" else a for key, a in stored(one).items()}
        for xp in BACKENDS:
            np.testing.assert_array_equal(numbers(decode(spec_of(one, hq8(one)), bits, xp)), numbers(decode(spec_of(one, hq8(one)), stored(one))))

    def test_without_outliers(self):
        one = self.cases[1]
        codec = {"name": "int8", "block": 1, "signs": [1] * one["hidden"], "outliers": [[]] * one["taps"]}
        plain = {"values": array(one["plain"]["values"], np.int8).reshape(one["rows"], -1), "scale": array(one["plain"]["scale"], np.float16).reshape(one["rows"], -1)}
        wanted = plain["values"].reshape(self.shape(one)).astype(np.float32) * plain["scale"].astype(np.float32).reshape(*self.shape(one)[:3], 1)
        for xp in BACKENDS:
            np.testing.assert_array_equal(numbers(decode(spec_of(one, codec), plain, xp)), wanted)

    def test_rows_do_not_depend_on_their_batch(self):
        one = self.cases[0]
        for xp in BACKENDS:
            whole = numbers(decode(spec_of(one, hq8(one)), stored(one), xp))
            for row in range(one["rows"]):
                part = {key: a[row : row + 1] for key, a in stored(one).items()}
                np.testing.assert_array_equal(numbers(decode(spec_of(one, hq8(one)), part, xp))[0], whole[row])
            self.assertEqual(decode(spec_of(one, hq8(one)), {key: a[:0] for key, a in stored(one).items()}, xp).shape[0], 0)

    def test_dtype(self):
        one = self.cases[0]
        for codec, arrays in ((hq8(one), stored(one)), ({"name": "f16"}, {"values": array(one["f16"]["values"], np.float16).reshape(one["rows"], -1)})):
            full = decode(spec_of(one, codec), arrays)
            half = decode(spec_of(one, codec), arrays, dtype=np.float16)
            self.assertEqual(half.dtype, np.float16)
            np.testing.assert_array_equal(half, full.astype(np.float16))

    def test_hadamard(self):
        for one in golden("hadamard"):
            sums = array(one["whole"], np.int8).astype(np.float32).reshape(-1, one["block"]) @ hadamard(one["block"])
            np.testing.assert_array_equal(sums.reshape(-1), array(one["sums"], np.float32))

    def test_two_thousand_channels_are_exact(self):
        """Signs 1, scale 1, no outliers: what is left is scipy's whole numbers and one factor."""
        for one in golden("hadamard"):
            codec = {"name": "int8", "block": one["block"], "signs": [1] * one["hidden"], "outliers": [[]]}
            spec = spec_of({"taps": 1, "tokens": 1, "hidden": one["hidden"]}, codec)
            arrays = {"values": array(one["whole"], np.int8).reshape(1, -1), "scale": np.ones((1, 1), np.float16)}
            wanted = array(one["sums"], np.float32) * np.float32(1 / np.sqrt(one["block"]))
            for xp in BACKENDS:
                np.testing.assert_array_equal(numbers(decode(spec, arrays, xp)).reshape(-1), wanted)

    def test_errors(self):
        one = self.cases[0]
        spec, arrays = spec_of(one, hq8(one)), stored(one)
        for broken, code in (
            ({**arrays, "values": arrays["values"][:, 1:]}, "field-shape"),
            ({**arrays, "values": arrays["values"].reshape(-1)}, "field-shape"),
            ({key: a for key, a in arrays.items() if key != "scale"}, "field-shape"),
            ({key: a for key, a in arrays.items() if key != "side"}, "field-shape"),
        ):
            with self.assertRaises(PrepError) as caught:
                decode(spec, broken)
            self.assertEqual(caught.exception.code, code)
        for change in ({"name": "fp8"}, {"block": 96}, {"signs": [1]}, {"outliers": [[1]]}, {"outliers": [[1], [2], [3, 4]]}):
            with self.assertRaises(PrepError) as caught:
                decode(spec_of(one, {**hq8(one), **change}), arrays)
            self.assertEqual(caught.exception.code, "bad-value")
        for options in ({"xp": "jax"}, {"device": "cuda"}):
            with self.assertRaises(PrepError) as caught:
                decode(spec, arrays, **options)
            self.assertEqual(caught.exception.code, "bad-option")


@unittest.skipUnless(TORCH, "no torch")
class Torch(unittest.TestCase):
    def test_the_same_bits_as_numpy(self):
        devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
        for one in golden("int8"):
            wanted = decode(spec_of(one, hq8(one)), stored(one))
            for device in devices:
                tensors = {key: torch.from_numpy(a.copy()).to(device) for key, a in stored(one).items()}
                for arrays in (stored(one), tensors):
                    found = decode(spec_of(one, hq8(one)), arrays, "torch", device=device)
                    self.assertEqual((found.dtype, found.device.type), (torch.float32, device))
                    np.testing.assert_array_equal(numbers(found), wanted)

    def test_whatever_the_trainer_has_switched_on(self):
        one = golden("hadamard")[-1]
        codec = {"name": "int8", "block": one["block"], "signs": [1] * one["hidden"], "outliers": [[]]}
        spec = spec_of({"taps": 1, "tokens": 1, "hidden": one["hidden"]}, codec)
        arrays = {"values": array(one["whole"], np.int8).reshape(1, -1), "scale": np.ones((1, 1), np.float16)}
        wanted = decode(spec, arrays)
        before = torch.get_float32_matmul_precision()
        try:
            torch.set_float32_matmul_precision("high")
            for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
                with torch.autocast(device, dtype=torch.bfloat16):
                    found = decode(spec, arrays, "torch", device=device)
                self.assertEqual((found.dtype, found.requires_grad), (torch.float32, False))
                np.testing.assert_array_equal(numbers(found), wanted)
        finally:
            torch.set_float32_matmul_precision(before)

    def test_dtype(self):
        one = golden("int8")[0]
        full = decode(spec_of(one, hq8(one)), stored(one), "torch")
        for kind in (torch.bfloat16, torch.float16):
            self.assertTrue(torch.equal(decode(spec_of(one, hq8(one)), stored(one), "torch", dtype=kind), full.to(kind)))


@unittest.skipUnless(TINY.is_dir(), "no ../shared/data/qwen3vl_tiny")
class TinyModel(unittest.TestCase):
    def test_every_tap(self):
        codec = json.loads((TINY / "model.json").read_text())["codec"]
        arrays, states = np.load(TINY / "codec_int8_pair0.npz"), np.load(TINY / "hidden_states.npz")
        taps = list(codec["outlierChannelsPerTap"])
        # Both views as two rows of ten taps.
        gather = lambda what: np.stack([arrays[f"hq8_{tap}_{what}"] for tap in taps], 1).reshape(2, -1)
        spec = {"model": {"taps": taps, "tokens": 64, "hidden": 64}, "codec": {"name": "int8", "block": codec["block"], "signs": codec["signs"], "outliers": list(codec["outlierChannelsPerTap"].values())}}
        rows = {"values": gather("q"), "scale": gather("scale").view(np.float16), "side": gather("side").view(np.float16)}
        for xp in BACKENDS:
            found = numbers(decode(spec, rows, xp))
            for i, tap in enumerate(taps):
                token = arrays[f"hq8_{tap}_decoded_token0"]
                np.testing.assert_allclose(found[:, i, 0], token, rtol=0, atol=2e-7 * np.abs(token).max())
                truth = states[f"hidden_{tap}"][0].astype(np.float64)
                error = np.sqrt(((found[:, i] - truth) ** 2).sum() / (truth**2).sum())
                # The table is of three pairs, this is one of them.
                self.assertLess(error, 1.5 * codec["error"][tap]["hq8"]["relRms"])


if __name__ == "__main__":
    unittest.main()

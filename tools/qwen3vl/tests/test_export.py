"""Exports of small checkpoints, in ONNX Runtime, against what transformers answered (fixtures/qwen3vl_tiny/make.py)."""
import json
import pathlib
import tempfile
import unittest
from collections import Counter

import numpy as np
import onnx

from qwen3vl.check import run
from qwen3vl.describe import fingerprint

from .models import TINY, exported, reference, small

FOLDERS = {"hf_hidden_states": "model", "block_input": "model_block_input"}


def temporary():
    return pathlib.Path(tempfile.mkdtemp(prefix="qwen3vl_")) / "out"


def worst(found, want):
    """Largest relative error over taps; found (n, taps, 64, D), want the same."""
    return max(float(np.abs(found[:, t] - want[:, t]).max() / np.abs(want[:, t]).max()) for t in range(want.shape[1]))


class Stored(unittest.TestCase):
    """The folders in the repository."""

    @classmethod
    def setUpClass(cls):
        cls.reference = reference()
        cls.images = cls.reference["images"]

    def test_every_tap_of_both_points(self):
        for name, want in self.reference.items():
            if "/" not in name or name.startswith("codec"):
                continue
            signature, point = name.split("/")
            roles = signature.split("+")
            got = run(TINY / FOLDERS[point] / f"{signature}.f32.onnx", {"images": self.images[:, : len(roles)]})
            for v, role in enumerate(roles):
                with self.subTest(name, role=role):
                    self.assertLessEqual(worst(got[role], want[:, v]), 1e-5)

    def test_the_points_differ_at_tap_3_only(self):
        hf, blocks = (self.reference[f"third+wrist/{p}"] for p in FOLDERS)
        taps = json.loads((TINY / "reference.json").read_text())["taps"]
        self.assertEqual([t for i, t in enumerate(taps) if not np.array_equal(hf[:, :, i], blocks[:, :, i])], [3])

    def test_f16(self):
        got = run(TINY / "model/third+wrist.f16.onnx", {"images": self.images})
        for v, role in enumerate(("third", "wrist")):
            self.assertEqual(got[role].dtype, np.float16)
            self.assertLessEqual(worst(got[role].astype(np.float32), self.reference["third+wrist/hf_hidden_states"][:, v]), 6e-4)

    def test_int8(self):
        r = self.reference
        got = run(TINY / "model/third+wrist.int8.onnx", {"images": self.images[:1], "outliers": r["codec/outliers"]})
        for v, role in enumerate(("third", "wrist")):
            off = np.abs(got[role][0].astype(int) - r["codec/q"][v])
            self.assertLessEqual(off.max(), 1)
            self.assertLessEqual((off > 0).mean(), 1e-3)
            self.assertLessEqual(np.abs(got[role + "_scale"][0].view(np.int16).astype(int) - r["codec/scale"][v].view(np.int16)).max(), 1)
            side, want = got[role + "_side"][0].astype(np.float32), r["codec/side"][v].view(np.float16).astype(np.float32)
            np.testing.assert_allclose(side, want, rtol=2**-10, atol=1e-5 * np.abs(want).max())

    def test_int8_without_outliers(self):
        got = run(TINY / "model/third.int8.onnx", {"images": self.images[:1, :1], "outliers": np.zeros((10, 0), np.int64)})
        self.assertEqual(got["third_side"].shape, (1, 10, 64, 0))

    def test_files_and_fingerprint(self):
        import hashlib

        for folder in FOLDERS.values():
            d = json.loads((TINY / folder / "model.json").read_text())
            self.assertEqual(d["fingerprint"], fingerprint(d))
            for name, facts in d["files"].items():
                data = (TINY / folder / name).read_bytes()
                self.assertEqual((hashlib.sha256(data).hexdigest(), len(data)), (facts["sha256"], facts["bytes"]), name)

    def test_health_sees_what_is_not_finite(self):
        model = onnx.load(TINY / "model/third.f32.onnx")
        for tensor in model.graph.initializer:
            if tensor.name.endswith("place"):
                rows = onnx.numpy_helper.to_array(tensor).copy()
                rows[0, 0] = np.nan
                tensor.CopyFrom(onnx.numpy_helper.from_array(rows, tensor.name))
        import onnxruntime as ort

        session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        health = session.run(["health"], {"images": self.images[:1, :1]})[0]
        self.assertTrue(np.isnan(health[0, 0, :, 1]).all())


class Graphs(unittest.TestCase):
    def graph(self, name="third+wrist.f32.onnx"):
        return onnx.load(TINY / "model" / name, load_external_data=False)

    def test_default_domain_only(self):
        for file in (TINY / "model").glob("*.onnx"):
            model = onnx.load(file, load_external_data=False)
            self.assertEqual({n.domain for n in model.graph.node} | {o.domain for o in model.opset_import}, {""})
            self.assertFalse({n.op_type for n in model.graph.node} & {"ScatterND", "NonZero", "ScatterElements"})
            self.assertEqual(len(model.functions), 0)

    def test_nothing_above_the_last_tap(self):
        """Last tap 25: 25 blocks with four norms and one attention each, four vision blocks; no final norm, no head."""
        count = Counter(n.op_type for n in self.graph().graph.node)
        self.assertEqual((count["RMSNormalization"], count["Attention"]), (4 * 25, 25 + 4))
        used = {i for n in self.graph().graph.node for i in n.input}
        self.assertEqual({t.name for t in self.graph().graph.initializer} - used, set())

    def test_inputs_and_outputs(self):
        kinds = {onnx.TensorProto.UINT8: "u8", onnx.TensorProto.INT64: "i64", onnx.TensorProto.INT8: "i8", onnx.TensorProto.FLOAT16: "f16", onnx.TensorProto.FLOAT: "f32"}
        graph = self.graph("third+wrist.int8.onnx").graph
        said = [(v.name, kinds[v.type.tensor_type.elem_type], [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim]) for v in [*graph.input, *graph.output]]
        b, c = "batch", "outlier_channels"
        per_view = [[(r, "i8", [b, 10, 64, 32]), (r + "_scale", "f16", [b, 10, 64]), (r + "_side", "f16", [b, 10, 64, c])] for r in ("third", "wrist")]
        self.assertEqual(said, [("images", "u8", [b, 2, 256, 256, 3]), ("outliers", "i64", [10, c]), *per_view[0], *per_view[1], ("health", "f32", [b, 2, 10, 2])])

    def test_no_path_of_the_machine(self):
        for file in (TINY / "model").iterdir():
            self.assertNotIn(b"/site-packages/", file.read_bytes(), file.name)

    def test_equal_tensors_are_stored_once(self):
        bins = {d: (TINY / "model" / d).stat().st_size for d in ("weights.bin",)}
        once = sum(t.external_data and int(next(e.value for e in t.external_data if e.key == "length")) for t in self.graph().graph.initializer if t.external_data)
        self.assertLess(bins["weights.bin"], 1.1 * once)


class Opsets(unittest.TestCase):
    def test_both_agree_with_transformers(self):
        r = reference()
        for opset in ("18", "23"):
            with self.subTest(opset):
                out = temporary()
                exported(TINY / "checkpoint", out, "--opset", opset, "--outputs", "f32", "--signatures", "third+wrist", pictures=None)
                got = run(out / "third+wrist.f32.onnx", {"images": r["images"]})
                for v, role in enumerate(("third", "wrist")):
                    self.assertLessEqual(worst(got[role], r["third+wrist/hf_hidden_states"][:, v]), 1e-5)


class OtherModels(unittest.TestCase):
    """Other widths, head counts and DeepStack indexes; every preset; the self check inside compares with transformers."""

    @classmethod
    def setUpClass(cls):
        cls.checkpoint = small()

    def check(self, *options, taps):
        found = exported(self.checkpoint, temporary(), "--signatures", "third+wrist", *options)
        self.assertEqual(found["taps"], taps)
        self.assertLess(max(found["check"]["maxRel"].values()), 1e-5)
        return found

    def test_last_state_is_after_the_norm(self):
        self.check("--preset", "gr00t-last", "--outputs", "f32,int8", taps=[3])

    def test_inputs_of_all_blocks(self):
        self.check("--preset", "pi-all", "--outputs", "f32", taps=[0, 1, 2])

    def test_residual_after_the_last_block(self):
        self.check("--taps", "1,2,3", "--tap-point", "block_input", "--outputs", "f32", taps=[1, 2, 3])

    def test_vision_only(self):
        found = self.check("--preset", "vit", "--outputs", "f32,int8", taps=["vision_output", "deepstack_0", "deepstack_1"])
        self.assertEqual((found["languageModel"], found["codec"]["block"]), (False, 8))

    def test_opset_18(self):
        self.check("--preset", "pi-all", "--outputs", "f32,f16,int8", "--opset", "18", taps=[0, 1, 2])

    def test_three_views(self):
        from qwen3vl.images import generated

        out = temporary()
        found = exported(self.checkpoint, out, "--taps", "0,2", "--views", "third,wrist,wrist2", "--outputs", "f16", pictures=generated(2, 3))
        self.assertEqual(found["signatures"], [["third", "wrist", "wrist2"], ["third"]])
        self.assertEqual(sorted(f.name for f in out.iterdir()), ["model.json", "third+wrist+wrist2.f16.onnx", "third.f16.onnx", "weights.bin"])

    def test_bf16(self):
        out = temporary()
        found = exported(self.checkpoint, out, "--precision", "bf16", "--outputs", "f16,int8", "--taps", "0,1,3", "--signatures", "third+wrist")
        self.assertEqual(sorted(found["check"]), ["bf16", "f32Graphs"])
        made = out.with_name("made")
        made.mkdir()
        self.assertEqual(out.stat().st_mode, made.stat().st_mode)  # readable as any folder, not closed as mkdtemp's
        self.assertEqual(sorted(f.name for f in out.iterdir()), ["model.json", "third+wrist.f16.onnx", "third+wrist.int8.onnx", "weights.bin"])
        self.assertTrue(all(c["relRms"] < 0.03 and c["minCosine"] > 0.995 for c in found["check"]["bf16"].values()), found["check"]["bf16"])
        graph = onnx.load(out / "third+wrist.f16.onnx", load_external_data=False).graph
        matrices = [t for t in graph.initializer if len(t.dims) == 2 and t.external_data]
        self.assertEqual({t.data_type for t in matrices}, {onnx.TensorProto.BFLOAT16})
        self.assertFalse([v.name for v in [*graph.input, *graph.output] if v.type.tensor_type.elem_type == onnx.TensorProto.BFLOAT16])


if __name__ == "__main__":
    unittest.main()

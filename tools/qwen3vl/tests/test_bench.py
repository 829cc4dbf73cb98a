"""What bench/features/gpu.py compares, without a card."""
import sys
import unittest

import numpy as np

from qwen3vl import codec, codec_numpy

from .models import ROOT

sys.path.insert(0, str(ROOT / "bench/features"))
import gpu_compare  # noqa: E402


def node(name, *outputs, provider="CPUExecutionProvider"):
    return {"op_name": name, "provider": provider, "output_type_shape": [{kind: shape} for kind, shape in outputs]}


class Placement(unittest.TestCase):
    def test_only_few_integers_may_stay_on_the_cpu(self):
        silent = {"op_name": "Mystery", "provider": "CPUExecutionProvider"}
        found = gpu_compare.placed([
            node("Shape", ("int64", [5])), node("Gather", ("int64", [])), node("Range", ("int64", [64])), node("Add", ("float", [1, 64, 32])), node("Add", ("int64", [2])), node("Slice", ("int64", [65])),
            node("Cast", ("float", [1])), node("Split", ("int64", [2]), ("float16", [2])), silent, node("Attention", ("float", [1, 134, 32]), provider="CUDAExecutionProvider"),
        ])  # fmt: skip
        self.assertEqual(sorted(found["unexpectedOnCpu"]), ["Add", "Cast", "Mystery", "Slice", "Split"])
        self.assertEqual((found["nodes"], found["onCpu"]["Add"], found["copies"]), (10, 2, 0))


class CodecErrors(unittest.TestCase):
    def test_shares(self):
        wide = {"third": np.random.default_rng(0).normal(0, 1, (2, 1, 64, 32)).astype(np.float32)}
        outliers = np.array([[3, 7]])
        q, scale, side = codec_numpy.encoded(wide["third"][:, 0], outliers[0], codec.signs_of(32), codec.block_of(32))
        q, side = q.copy(), side.copy()
        q[0, 0, 0] += 1 if q[0, 0, 0] < 0 else -1
        side[0, 0, 0] = 9
        int8 = {"third": q[:, None], "third_scale": scale[:, None], "third_side": side[:, None]}
        found = gpu_compare.codec_errors(int8, wide, ["third"], outliers)
        self.assertEqual(found["q"], {"offByOne": 1 / q.size, "offByMore": 0.0, "largest": 1})
        self.assertEqual((found["scale"]["largest"], found["side"]["offByMore"]), (0, 1 / side.size))

    def test_float16_counts_across_zero(self):
        self.assertEqual(gpu_compare.steps(np.array([-(2.0**-24), -0.0, 0.0, 2.0**-24], np.float16)).tolist(), [-1, 0, 0, 1])


if __name__ == "__main__":
    unittest.main()

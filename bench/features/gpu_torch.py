"""The exported module's operators as torch has them, fused."""
import torch.nn.functional as F

from qwen3vl.ops import Primitive, Standard


class TorchOps(Primitive):
    """The exported module run by torch itself with its fused attention: the strongest form of the same work outside ONNX Runtime."""

    rms_norm = staticmethod(Standard.rms_norm)
    gelu = staticmethod(Standard.gelu)

    @staticmethod
    def attention(q, k, v, heads, scale, causal):
        b, s, _ = q.shape
        q, k, v = (t.reshape(b, s, n, -1).transpose(1, 2) for t, n in ((q, heads[0]), (k, heads[1]), (v, heads[1])))
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=scale, enable_gqa=heads[0] != heads[1]).transpose(1, 2).reshape(b, s, -1)

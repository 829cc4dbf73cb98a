"""The operations whose ONNX form depends on the opset; both give the same numbers. Rows are (B, S, heads*dim) throughout.

Opset 23: RMSNormalization, RotaryEmbedding, Attention, Gelu as single nodes, no transposes. Opset 18: primitives, for runtimes without them."""
import torch
import torch.nn.functional as F


class Standard:
    """Opset 23."""

    opset = 23

    @staticmethod
    def rms_norm(x, weight, eps):
        return F.rms_norm(x, (x.shape[-1],), weight, eps)

    @staticmethod
    def gelu(x, approximate):
        return F.gelu(x, approximate=approximate)

    @staticmethod
    def rotary(cos, sin, batch):
        """(S, dim/2) tables as `rotate` takes them."""
        return tuple(t[None].expand(batch, -1, -1) for t in (cos, sin))

    @staticmethod
    def rotate(x, tables, heads):
        return torch.onnx.ops.rotary_embedding(x, *tables, num_heads=heads)

    @staticmethod
    def attention(q, k, v, heads, scale, causal):
        """`heads` (query, key). Softmax is float32 inside the kernels."""
        return torch.onnx.ops.attention(q, k, v, is_causal=causal, q_num_heads=heads[0], kv_num_heads=heads[1], scale=scale)[0]


class Primitive:
    """Opset 18."""

    opset = 18

    @staticmethod
    def rms_norm(x, weight, eps):
        """Float32 inside; the cast before the weight is the order transformers has, and the pattern ORT fuses."""
        wide = x.to(torch.float32)
        scaled = wide / torch.sqrt(wide.pow(2).mean(-1, keepdim=True) + eps)
        return weight * scaled.to(x.dtype)

    @staticmethod
    def gelu(x, approximate):
        """Float32 inside: before opset 20 it is a chain of nodes that would round at each."""
        return F.gelu(x.to(torch.float32), approximate=approximate).to(x.dtype)

    @staticmethod
    def rotary(cos, sin, batch):
        return cos[:, None], sin[:, None]

    @staticmethod
    def rotate(x, tables, heads):
        """The two halves of a head are the coordinates of a rotation."""
        cos, sin = tables
        y = x.reshape(*x.shape[:2], heads, -1)
        half = y.shape[-1] // 2
        a, b = y[..., :half], y[..., half:]
        return torch.cat([a * cos - b * sin, b * cos + a * sin], -1).reshape(x.shape)

    @staticmethod
    def attention(q, k, v, heads, scale, causal):
        """Query heads of one key head become rows of one product, so that keys are not copied per query head."""
        batch, length, _ = q.shape
        groups = heads[0] // heads[1]
        q = q.reshape(batch, length, heads[1], groups, -1).permute(0, 2, 3, 1, 4)
        dim = q.shape[-1]
        q = q.reshape(batch, heads[1], groups * length, dim)
        k, v = (t.reshape(batch, length, heads[1], dim).transpose(1, 2) for t in (k, v))
        scores = (q @ k.transpose(-1, -2)).to(torch.float32) * scale
        if causal:
            scores = scores + torch.full((length, length), float("-inf")).triu(1).repeat(groups, 1)
        mixed = torch.softmax(scores, -1).to(v.dtype) @ v
        return mixed.reshape(batch, heads[1], groups, length, dim).permute(0, 3, 1, 2, 4).reshape(batch, length, -1)


def ops_of(opset):
    return {18: Primitive, 23: Standard}[opset]

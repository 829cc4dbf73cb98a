"""The vision tower for a fixed picture size: patches in, merged tokens and DeepStack maps out."""
import torch
import torch.nn.functional as F
from torch import nn

from . import pixels, positions

LAYER_NORM_EPS = 1e-6  # written in transformers' code, not in the config


class Weights(nn.Module):
    """Tensors of one part, by attribute. Matrices are stored (in, out): the graph needs no transposes."""

    def __init__(self, source, prefix, dtype):
        super().__init__()
        self._source, self._prefix, self._dtype = source, prefix, dtype

    def keep(self, name, tensor):
        self.register_buffer(name, tensor.to(self._dtype).contiguous(), persistent=False)

    def read(self, name):
        return self._source.tensor(self._prefix + name)

    def vector(self, name, key):
        self.keep(name, self.read(key))

    def matrix(self, name, key):
        self.keep(name, self.read(key).t())


def fold_patch_weight(weight):
    """Conv3d weight (D, C, T, y, x) -> (y*x*C, D). A still picture is T equal copies, so the copies' weights are summed, in float32."""
    return weight.to(torch.float32).sum(2).permute(2, 3, 1, 0).reshape(-1, weight.shape[0])


class Block(Weights):
    def __init__(self, source, prefix, dtype, facts):
        super().__init__(source, prefix, dtype)
        self.heads, self.dim = facts.heads, facts.hidden // facts.heads
        for norm in ("norm1", "norm2"):
            self.vector(norm + "_weight", norm + ".weight")
            self.vector(norm + "_bias", norm + ".bias")
        for i, name in enumerate("qkv"):  # three products instead of one and a split: a split copies
            part = slice(i * facts.hidden, (i + 1) * facts.hidden)
            self.keep(name, self.read("attn.qkv.weight")[part].t())
            self.keep(name + "_bias", self.read("attn.qkv.bias")[part])
        self.matrix("proj", "attn.proj.weight")
        self.vector("proj_bias", "attn.proj.bias")
        self.matrix("fc1", "mlp.linear_fc1.weight")
        self.vector("fc1_bias", "mlp.linear_fc1.bias")
        self.matrix("fc2", "mlp.linear_fc2.weight")
        self.vector("fc2_bias", "mlp.linear_fc2.bias")

    def forward(self, x, rotary, op):
        h = layer_norm(x, self.norm1_weight, self.norm1_bias)
        q = op.rotate(h @ self.q + self.q_bias, rotary, self.heads)
        k = op.rotate(h @ self.k + self.k_bias, rotary, self.heads)
        mixed = op.attention(q, k, h @ self.v + self.v_bias, (self.heads, self.heads), self.dim**-0.5, False)
        x = x + (mixed @ self.proj + self.proj_bias)
        h = layer_norm(x, self.norm2_weight, self.norm2_bias)
        return x + (op.gelu(h @ self.fc1 + self.fc1_bias, "tanh") @ self.fc2 + self.fc2_bias)


class Merger(Weights):
    """Four neighbouring patches to one token of the text model. DeepStack's mergers normalise after joining the four, the main one before."""

    def __init__(self, source, prefix, dtype, joined_norm):
        super().__init__(source, prefix, dtype)
        self.joined_norm = joined_norm
        self.vector("norm_weight", "norm.weight")
        self.vector("norm_bias", "norm.bias")
        self.matrix("fc1", "linear_fc1.weight")
        self.vector("fc1_bias", "linear_fc1.bias")
        self.matrix("fc2", "linear_fc2.weight")
        self.vector("fc2_bias", "linear_fc2.bias")

    def forward(self, x, op):
        n, width = x.shape[0], self.fc1.shape[0]
        if self.joined_norm:
            x = layer_norm(x.reshape(n, -1, width), self.norm_weight, self.norm_bias)
        else:
            x = layer_norm(x, self.norm_weight, self.norm_bias).reshape(n, -1, width)
        return op.gelu(x @ self.fc1 + self.fc1_bias, "none") @ self.fc2 + self.fc2_bias


def layer_norm(x, weight, bias):
    """ONNX's LayerNormalization keeps its sums in float32 (stash_type 1) whatever the type of x."""
    return F.layer_norm(x, (x.shape[-1],), weight, bias, LAYER_NORM_EPS)


class VisionTower(Weights):
    """images (N, 256, 256, 3) uint8 -> merged tokens (N, 64, D), the first `maps` DeepStack maps, each (N, 64, D)."""

    def __init__(self, source, facts, image, dtype, maps):
        super().__init__(source, "model.visual.", dtype)
        self.facts = facts
        side = image["width"] // facts.patch
        self.keep("patch", fold_patch_weight(self.read("patch_embed.proj.weight")))
        place = positions.vision_position_rows(self.read("pos_embed.weight"), facts.gridSide, side, facts.spatialMerge)
        self.keep("place", place + self.read("patch_embed.proj.bias").to(torch.float32))
        for name, table in zip(("cos", "sin"), positions.vision_rotary(facts.hidden // facts.heads, facts.ropeTheta, side, facts.spatialMerge)):
            self.keep(name, table)
        for name in ("mean", "std"):  # float32 in every precision
            self.register_buffer(name, pixels.per_patch_value(image[name], facts.patch), persistent=False)
        self.blocks = nn.ModuleList(Block(source, f"model.visual.blocks.{i}.", dtype, facts) for i in range(facts.depth))
        self.merger = Merger(source, "model.visual.merger.", dtype, False)
        self.deepstack = nn.ModuleList(Merger(source, f"model.visual.deepstack_merger_list.{i}.", dtype, True) for i in range(maps))

    def forward(self, images, op):
        patches = pixels.patches_from_images(images, self.facts.patch, self.facts.spatialMerge)
        x = pixels.normalise(patches, self.mean, self.std).to(self.patch.dtype) @ self.patch + self.place
        rotary = op.rotary(self.cos, self.sin, x.shape[0])
        maps = {}
        for i, block in enumerate(self.blocks):
            x = block(x, rotary, op)
            which = self.facts.deepstackVisualIndexes.index(i) if i in self.facts.deepstackVisualIndexes else len(self.deepstack)
            if which < len(self.deepstack):
                maps[which] = self.deepstack[which](x, op)
        return self.merger(x, op), [maps[i] for i in range(len(self.deepstack))]

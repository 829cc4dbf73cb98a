"""The text layers up to the last tap, for one fixed prompt around the image tokens."""
import torch
from torch import nn
from torch.nn.functional import silu

from . import positions
from .presets import BLOCK_INPUT
from .vision import Weights


class Layer(Weights):
    def __init__(self, source, prefix, dtype, facts):
        super().__init__(source, prefix, dtype)
        self.facts = facts
        for name in ("input_layernorm", "post_attention_layernorm"):
            self.vector(name, name + ".weight")
        for name in ("q_norm", "k_norm"):
            self.vector(name, f"self_attn.{name}.weight")
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            self.matrix(name, f"self_attn.{name}.weight")
        for name in ("gate_proj", "up_proj", "down_proj"):
            self.matrix(name, f"mlp.{name}.weight")

    def forward(self, x, rotary, op):
        facts = self.facts
        h = op.rms_norm(x, self.input_layernorm, facts.eps)
        q = op.rotate(self.normed(h @ self.q_proj, self.q_norm, op), rotary, facts.heads)
        k = op.rotate(self.normed(h @ self.k_proj, self.k_norm, op), rotary, facts.kvHeads)
        mixed = op.attention(q, k, h @ self.v_proj, (facts.heads, facts.kvHeads), facts.headDim**-0.5, True)
        x = x + mixed @ self.o_proj
        h = op.rms_norm(x, self.post_attention_layernorm, facts.eps)
        return x + (silu(h @ self.gate_proj) * (h @ self.up_proj)) @ self.down_proj

    def normed(self, rows, weight, op):
        """Queries and keys are normalised per head."""
        return op.rms_norm(rows.reshape(*rows.shape[:2], -1, self.facts.headDim), weight, self.facts.eps).reshape(rows.shape)


class TextLayers(nn.Module):
    """The layers below `last`; shared by all signatures, whose prompts differ only in length."""

    def __init__(self, source, facts, dtype, taps):
        super().__init__()
        self.facts, self.taps = facts, taps
        self.layers = nn.ModuleList(Layer(source, f"model.language_model.layers.{i}.", dtype, facts) for i in range(taps.last))
        self.norm = Weights(source, "model.language_model.", dtype)
        if taps.point != BLOCK_INPUT and taps.last == facts.layers:
            self.norm.vector("weight", "norm.weight")  # transformers' last hidden state is after the final norm

    def forward(self, x, maps, prompt, op):
        """x (B, S, D), maps (B, V, 64, D) -> residual (B, S, D) at each tap, ascending."""
        rotary = op.rotary(prompt.cos, prompt.sin, x.shape[0])
        found = [x] if 0 in self.taps.at else []
        for k, layer in enumerate(self.layers, 1):
            x = layer(x, rotary, op)
            before = x
            if k <= len(maps):
                x = prompt.add_at_images(x, maps[k - 1])
            if k in self.taps.at:
                found.append(self.tapped(k, before, x, op))
        return found

    def tapped(self, k, before, after, op):
        if self.taps.point == BLOCK_INPUT:
            return after
        return op.rms_norm(before, self.norm.weight, self.facts.eps) if k == self.facts.layers else before


class PromptRows(nn.Module):
    """The constants of one signature's prompt. The last vision_end follows every image token, so causality lets it be left out."""

    def __init__(self, source, facts, prompt, views, dtype):
        super().__init__()
        self.spans = prompt.spans(views)
        length = self.spans[-1][1]
        self.length = length
        ids = prompt.ids(views)
        embedding = source.tensor("model.language_model.embed_tokens.weight")
        starts = [0, *(b for _, b in self.spans)]
        for v, (start, (first, _)) in enumerate(zip(starts, self.spans)):  # the rows before each view's image tokens
            self.register_buffer(f"rows{v}", embedding[ids[start:first]].to(dtype), persistent=False)
        table = positions.text_rotary([axis[:length] for axis in prompt.positions(views)], facts.headDim, facts.ropeTheta, facts.mropeSection)
        for name, values in zip(("cos", "sin"), table):
            self.register_buffer(name, values.to(dtype), persistent=False)

    def place(self, tokens):
        """(B, V, 64, D) image tokens -> (B, S, D) among the constant rows."""
        batch, parts = tokens.shape[0], []
        for v in range(len(self.spans)):
            rows = getattr(self, f"rows{v}")
            parts += [rows[None].expand(batch, -1, -1), tokens[:, v]]
        return torch.cat(parts, 1)

    def add_at_images(self, x, tokens):
        """DeepStack: adds (B, V, 64, D) to the image tokens of x; slices and a concatenation, which every provider has."""
        parts, end = [], 0
        for v, (first, after) in enumerate(self.spans):
            parts += [x[:, end:first], x[:, first:after] + tokens[:, v]]
            end = after
        return torch.cat(parts, 1)

    def pick(self, x, view):
        first, after = self.spans[view]
        return x[:, first:after]

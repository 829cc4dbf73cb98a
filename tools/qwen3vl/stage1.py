"""The module that is exported: uint8 views in, taps of the image tokens out."""
import torch
from torch import nn

from .codec import Hq8
from .ops import ops_of
from .presets import BLOCK_INPUT, VISION
from .text import PromptRows, TextLayers
from .vision import VisionTower

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}


def deepstack_needed(taps, maps):
    """How many DeepStack maps reach a tap: map i is added after block i, which transformers' hidden_states[i+1] does not see yet."""
    if taps.point == VISION:
        return len(taps.at) - 1
    return min(maps, taps.last if taps.point == BLOCK_INPUT else max(0, taps.last - 1))


class Model(nn.Module):
    """The weights, one precision; `graph(signature, output)` is a module for one file. Nothing above the last tap is read."""

    def __init__(self, source, spec, precision):
        super().__init__()
        self.source, self.spec, self.dtype = source, spec, DTYPES[precision]
        maps = deepstack_needed(spec.taps, len(source.vision.deepstackVisualIndexes))
        self.vision = VisionTower(source, source.vision, spec.image, self.dtype, maps)
        self.text = None if spec.taps.point == VISION else TextLayers(source, source.text, self.dtype, spec.taps)
        self.codec = Hq8(source.text.hidden)

    def graph(self, signature, output):
        return Stage1(self, signature, output).eval()


class Stage1(nn.Module):
    def __init__(self, model, signature, output):
        super().__init__()
        self.model, self.views, self.output = model, list(signature), output
        self.op = ops_of(model.spec.opset)
        self.prompt = None if model.text is None else PromptRows(model.source, model.source.text, model.spec.prompt, len(signature), model.dtype)

    def taps(self, images):
        """images (B, V, 256, 256, 3) uint8 -> per view (B, taps, 64, D) float32."""
        batch, views = images.shape[0], len(self.views)
        tokens, maps = self.model.vision(images.reshape(batch * views, *images.shape[2:]), self.op)
        tokens, *maps = (t.reshape(batch, views, *t.shape[1:]) for t in (tokens, *maps))
        if self.model.text is None:
            found = [[t[:, v] for t in (tokens, *maps)] for v in range(views)]
        else:
            states = self.model.text(self.prompt.place(tokens), maps, self.prompt, self.op)
            found = [[self.prompt.pick(s, v) for s in states] for v in range(views)]
        return [torch.stack(f, 1).to(torch.float32) for f in found]

    def forward(self, images, outliers=None):
        taps = self.taps(images)
        health = torch.stack([torch.stack([x.abs().amax((2, 3)), (x * 0.0).sum((2, 3))], -1) for x in taps], 1)
        if self.output == "f32":
            return *taps, health
        if self.output == "f16":
            return *(x.to(torch.float16) for x in taps), health
        return *(part for x in taps for part in self.model.codec(x, outliers)), health

    def output_names(self):
        parts = ["", "_scale", "_side"] if self.output == "int8" else [""]
        return [*(v + p for v in self.views for p in parts), "health"]

"""Every mistake that an export of this model can plausibly make is planted into the exporter's own functions and must stop at the self check."""
import pathlib
import tempfile
import unittest
from dataclasses import replace
from unittest import mock

import torch

from qwen3vl import pixels, stage1, text, vision
from qwen3vl.check import CheckFailed
from qwen3vl.presets import Taps

from .models import TINY, exported, small

# Taps before, at and after the DeepStack adds: prompt mistakes never show at 0, the tap point only at 1, 2, 3.
OPTIONS = ("--taps", "0,3,6", "--outputs", "f32", "--signatures", "third+wrist")
INSTRUCTION = (11, 12, 13, 14, 15, 16, 17)

patches_from_images = pixels.patches_from_images
rows_init, layers_init, stage_taps = text.PromptRows.__init__, text.TextLayers.__init__, stage1.Stage1.taps
add_at_images, layer_forward = text.PromptRows.add_at_images, text.Layer.forward


def permuted(*order):
    """The patch order with other axes: 0 picture, 1 block row, 2 row in block, 3 y, 4 block column, 5 column in block, 6 x, 7 channel."""

    def patches(images, patch, merge):
        n, height, width, channels = images.shape
        rows, columns = height // (patch * merge), width // (patch * merge)
        x = images.reshape(n, rows, merge, patch, columns, merge, patch, channels).permute(0, *order)
        return x.reshape(n, rows * columns * merge * merge, patch * patch * channels)

    return mock.patch.object(pixels, "patches_from_images", patches)


def scaled(function):
    return mock.patch.object(pixels, "normalise", lambda patches, mean, std: function(patches.to(torch.float32) / 255.0))


def imagenet(x):
    mean, std = (pixels.per_patch_value(c, 16) for c in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    return (x - mean) / std


def folded(function):
    return mock.patch.object(vision, "fold_patch_weight", lambda w: function(w.to(torch.float32)).permute(2, 3, 1, 0).reshape(-1, w.shape[0]))


def other_prefix(change):
    def init(self, source, facts, prompt, views, dtype):
        rows_init(self, source, facts, replace(prompt, prefix_ids=change(prompt.prefix_ids)), views, dtype)

    return mock.patch.object(text.PromptRows, "__init__", init)


def later_taps(self, source, facts, dtype, taps):
    layers_init(self, source, facts, dtype, Taps(taps.point, tuple(t + 1 for t in taps.at)))


MISTAKES = {
    "deepstack_dropped": mock.patch.object(text.PromptRows, "add_at_images", lambda self, x, tokens: x),
    "patches_in_raster_order_no_merge_blocks": permuted(1, 2, 4, 5, 3, 6, 7),
    "bgr": mock.patch.object(pixels, "patches_from_images", lambda images, patch, merge: patches_from_images(images.flip(-1), patch, merge)),
    "scale_0_1_instead_of_-1_1": scaled(lambda x: x),
    "imagenet_mean_std": scaled(imagenet),
    "xy_swapped_inside_patch": permuted(1, 4, 2, 5, 6, 3, 7),
    "channels_in_another_place_inside_patch": permuted(1, 4, 2, 5, 7, 3, 6),  # the graph's own order is channels last, its twin is channels first
    "temporal_outside_channel": folded(lambda w: w.reshape(w.shape[0], w.shape[2], w.shape[1], *w.shape[3:]).sum(1)),
    "second_temporal_copy_zero": folded(lambda w: w[:, :, 0]),
    "views_swapped": mock.patch.object(stage1.Stage1, "taps", lambda self, images: stage_taps(self, images.flip(1))),
    "prefix_missing": other_prefix(lambda ids: ()),
    "instruction_before_images": other_prefix(lambda ids: ids + INSTRUCTION),
    "system_text_added_before_prefix": other_prefix(lambda ids: (500, 61, 62, 501, *ids)),
    "tap_off_by_one": mock.patch.object(text.TextLayers, "__init__", later_taps),
    "other_tap_point": mock.patch.object(text.TextLayers, "tapped", lambda self, k, before, after, op: after),
}
SEEN_AT_TAP_0 = {
    "patches_in_raster_order_no_merge_blocks", "bgr", "scale_0_1_instead_of_-1_1", "imagenet_mean_std", "xy_swapped_inside_patch", "channels_in_another_place_inside_patch",
    "temporal_outside_channel", "second_temporal_copy_zero", "views_swapped", "tap_off_by_one",
}  # fmt: skip


class Mistakes(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="qwen3vl_"))

    def test_each_is_caught(self):
        for name, planted in MISTAKES.items():
            with self.subTest(name), planted:
                with self.assertRaises(CheckFailed) as caught:
                    exported(TINY / "checkpoint", self.folder / "out", *OPTIONS)
                self.assertIn("expected tap 0 " if name in SEEN_AT_TAP_0 else "expected tap 3 ", str(caught.exception))
                self.assertEqual(list(self.folder.iterdir()), [])  # neither the folder nor its unfinished form

    def test_nothing_planted(self):
        report = exported(TINY / "checkpoint", self.folder / "out", *OPTIONS)["check"]
        self.assertLess(max(report["maxRel"].values()), 1e-5)
        self.assertLess(report["instructionMaxRel"], 1e-6)


def dropped_in_bf16_of_one_view(self, x, tokens):
    return x if x.dtype == torch.bfloat16 and len(self.spans) == 1 else add_at_images(self, x, tokens)


def nan_in_bf16(self, x, rotary, op):
    found = layer_forward(self, x, rotary, op)
    return found * float("nan") if x.dtype == torch.bfloat16 else found


class Bf16(unittest.TestCase):
    """What only the bf16 module does wrong: the f32 graphs of the same weights pass."""

    def refused(self, owner, name, planted):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="qwen3vl_"))
        with mock.patch.object(owner, name, planted), self.assertRaises(CheckFailed) as caught:
            exported(small(), folder / "out", "--precision", "bf16", "--taps", "0,2", "--outputs", "f32")
        self.assertEqual(list(folder.iterdir()), [])
        return str(caught.exception)

    def test_deepstack_dropped_in_the_second_signature(self):
        self.assertIn("expected tap 2 (hf_hidden_states) of third in third in bf16 near f32", self.refused(text.PromptRows, "add_at_images", dropped_in_bf16_of_one_view))

    def test_nan(self):
        self.assertIn("finite values in bf16 for tap 2 (hf_hidden_states) of third in third+wrist", self.refused(text.Layer, "forward", nan_in_bf16))


if __name__ == "__main__":
    unittest.main()

"""What transformers itself answers: its image processor, its model, its hooks. Uses nothing of the exporter's own arithmetic or prompt code."""
import numpy as np
import torch

from .presets import BLOCK_INPUT, HF, VISION


class Reference:
    def __init__(self, path, dtype=torch.float32, device="cpu", attention="sdpa"):
        from transformers import Qwen3VLForConditionalGeneration
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

        self.processor = Qwen2VLImageProcessorPil.from_pretrained(path)
        self.model = Qwen3VLForConditionalGeneration.from_pretrained(path, dtype=dtype, attn_implementation=attention).eval().to(device)
        self.core, self.device = self.model.model, device

    def ids(self, prefix_ids, views, instruction=()):
        """The sequence as a trainer builds it."""
        c = self.model.config
        one = [c.vision_start_token_id, *[c.image_token_id] * 64, c.vision_end_token_id]
        return [*prefix_ids, *one * views, *instruction]

    def answer(self, images, prefix_ids, points, instruction=()):
        """images (V, H, W, 3) uint8; points: list of (tap point, tap). -> (V, len(points), 64, D) float32."""
        ids = torch.tensor([self.ids(prefix_ids, len(images), instruction)], device=self.device)
        pixels = self.processor([*images], return_tensors="pt").to(self.device)
        is_image = ids == self.model.config.image_token_id
        inputs = {"pixel_values": pixels["pixel_values"], "image_grid_thw": pixels["image_grid_thw"]}
        with torch.no_grad(), BlockInputs(self.core.language_model) as blocks:
            out = self.core(input_ids=ids, mm_token_type_ids=is_image.int(), output_hidden_states=True, use_cache=False, **inputs)
            seen = self.core.get_image_features(**inputs, return_dict=True) if points[0][0] == VISION else None
        found = [self.state(out, blocks, seen, *p).reshape(len(images), 64, -1) if p[0] == VISION else self.state(out, blocks, seen, *p)[0][is_image[0]].reshape(len(images), 64, -1) for p in points]
        return torch.stack(found, 1).float().cpu().numpy()

    @staticmethod
    def state(out, blocks, seen, point, tap):
        if point == HF:
            return out.hidden_states[tap]
        if point == BLOCK_INPUT:
            return blocks.inputs[tap]
        return torch.cat(list(seen.pooler_output if tap == "vision_output" else seen.deepstack_features[int(tap.rsplit("_", 1)[1])]))

    def answers(self, images, prefix_ids, points, instruction=()):
        """images (n, V, H, W, 3) -> (n, V, taps, 64, D)."""
        return np.stack([self.answer(i, prefix_ids, points, instruction) for i in images])


class BlockInputs:
    """Inputs of all decoder blocks, and of the final norm as the last."""

    def __init__(self, language_model):
        self.modules, self.inputs = [*language_model.layers, language_model.norm], []

    def __enter__(self):
        self.inputs.clear()
        self.hooks = [m.register_forward_pre_hook(self.note, with_kwargs=True) for m in self.modules]
        return self

    def note(self, _module, args, kwargs):
        self.inputs.append(args[0] if args else kwargs["hidden_states"])

    def __exit__(self, *_):
        for hook in self.hooks:
            hook.remove()

"""A Hugging Face checkpoint of Qwen3-VL on disk: its numbers, and its tensors one at a time (memory-mapped)."""
import hashlib
import json
import pathlib
from dataclasses import dataclass

from safetensors import safe_open


class Refused(Exception):
    """What the user must change; printed without a traceback."""


@dataclass(frozen=True)
class TextFacts:
    layers: int
    hidden: int
    heads: int
    kvHeads: int
    headDim: int
    mlp: int
    vocab: int
    ropeTheta: float
    mropeSection: list
    eps: float


@dataclass(frozen=True)
class VisionFacts:
    depth: int
    hidden: int
    heads: int
    mlp: int
    patch: int
    temporalPatch: int
    spatialMerge: int
    deepstackVisualIndexes: list
    ropeTheta: float
    gridSide: int


class Checkpoint:
    """`tensor(name)` gives one tensor as stored; nothing is kept, so memory stays at what the caller keeps."""

    def __init__(self, path):
        from transformers import Qwen3VLConfig

        self.path = pathlib.Path(path)
        if not (self.path / "config.json").exists():
            raise Refused(f"expected a Qwen3-VL checkpoint folder with config.json, found none in {path}: give the folder that holds config.json and *.safetensors")
        raw = json.loads((self.path / "config.json").read_text())
        if raw.get("model_type") != "qwen3_vl":
            raise Refused(f"expected model_type qwen3_vl (dense), found {raw.get('model_type')}: other architectures, mixture-of-experts included, are not exported")
        self.config = Qwen3VLConfig.from_pretrained(self.path)
        self.text = text_facts(self.config.text_config)
        self.vision = vision_facts(self.config.vision_config)
        if self.config.vision_config.out_hidden_size != self.text.hidden:
            raise Refused(f"expected vision out_hidden_size = text hidden_size, found {self.config.vision_config.out_hidden_size} and {self.text.hidden}")
        self.files = sorted(self.path.glob("*.safetensors"))
        if not self.files:
            raise Refused(f"expected *.safetensors in {path}, found none: convert the weights with save_pretrained(safe_serialization=True)")
        self._open = {}
        self._file_of = {name: f for f in self.files for name in self._handle(f).keys()}

    def _handle(self, file):
        if file not in self._open:
            self._open[file] = safe_open(file, framework="pt")
        return self._open[file]

    def tensor(self, name):
        if name not in self._file_of:
            raise Refused(f"expected the tensor {name}, found none in {self.path}: the checkpoint is incomplete or of another layout")
        return self._handle(self._file_of[name]).get_tensor(name)

    def release(self):
        """Closes the mapped files, whose pages count as memory once read; the next `tensor` opens them again."""
        self._open.clear()

    @property
    def special_ids(self):
        c = self.config
        return {"image": c.image_token_id, "video": c.video_token_id, "vision_start": c.vision_start_token_id, "vision_end": c.vision_end_token_id}

    def processor_config(self):
        """preprocessor_config.json as it is; its mean and std go into the graph."""
        file = self.path / "preprocessor_config.json"
        if not file.exists():
            raise Refused(f"expected preprocessor_config.json in {self.path}, found none: copy it from the model's release")
        return json.loads(file.read_text())

    def sha256(self):
        return {f.name: sha256_of_file(f) for f in [self.path / "config.json", *self.files]}


def text_facts(c):
    rope = c.rope_parameters
    if rope.get("rope_type", "default") != "default":
        raise Refused(f"expected rope_type default, found {rope['rope_type']}: scaled rotary positions are not exported")
    if c.hidden_act != "silu" or getattr(c, "attention_bias", False):
        raise Refused("expected a text model with silu and without attention bias, found another: it is not exported")
    return TextFacts(c.num_hidden_layers, c.hidden_size, c.num_attention_heads, c.num_key_value_heads, c.head_dim, c.intermediate_size, c.vocab_size, float(rope["rope_theta"]), list(rope.get("mrope_section", [24, 20, 20])), c.rms_norm_eps)


def vision_facts(c):
    if c.hidden_act != "gelu_pytorch_tanh":
        raise Refused(f"expected a vision tower with gelu_pytorch_tanh, found {c.hidden_act}: it is not exported")
    rope = getattr(c, "rope_parameters", None) or {}
    side = round(c.num_position_embeddings**0.5)
    return VisionFacts(c.depth, c.hidden_size, c.num_heads, c.intermediate_size, c.patch_size, c.temporal_patch_size, c.spatial_merge_size, list(c.deepstack_visual_indexes), float(rope.get("rope_theta", 10000.0)), side)


def sha256_of_file(file):
    with open(file, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()

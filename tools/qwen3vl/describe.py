"""model.json: everything a reader must know about the graphs, and the fingerprint of what determines the features."""
import dataclasses
import hashlib
import json
import platform

from .codec import block_of, signs_of
from .presets import VISION
from .stage1 import deepstack_needed


def fingerprint(d):
    """SHA-256 over what decides the numbers; not over the form of the files (opset, outputs).

    In f32 the opset changes no number beyond the order of sums; in bf16 18 and 23 differ about as much as bf16 from f32, and
    are kept apart by the digests of the graphs, which a feature set's identity contains as well."""
    parts = {
        "model.revision": d["model"]["revision"],
        "model.sha256": d["model"]["sha256"],
        "precision": d["precision"],
        "tapPoint": d["tapPoint"],
        "taps": d["taps"],
        "views": d["views"],
        "image": d["image"],
        "prompt.prefixIds": d["prompt"]["prefixIds"],
        "prompt.specialIds": d["prompt"]["specialIds"],
        "codec.signs": d["codec"]["signs"],
    }
    return hashlib.sha256(canonical(parts).encode()).hexdigest()


def canonical(value):
    """JSON with sorted keys, no spaces, and numbers that do not depend on the language: whole ones as such, others as d.16 digits and exponent."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k, ensure_ascii=False)}:{canonical(v)}" for k, v in sorted(value.items())) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return json.dumps(value, ensure_ascii=False)
    if value == int(value):
        return str(int(value))
    digits, exponent = f"{value:.16e}".split("e")
    return f"{digits}e{int(exponent):+d}"


def facts(value, names_left_out):
    return {k: v for k, v in dataclasses.asdict(value).items() if k not in names_left_out}


def flops(checkpoint, spec, views):
    """Multiply-adds x 2 of one frame: vision tower of every view, text layers below the last tap. Norms and activations are left out."""
    v, t = checkpoint.vision, checkpoint.text
    n = (spec.image["width"] // v.patch) ** 2
    merged, joined = n // v.spatialMerge**2, v.hidden * v.spatialMerge**2
    maps = deepstack_needed(spec.taps, len(v.deepstackVisualIndexes))
    block = n * (4 * v.hidden**2 + 2 * v.hidden * v.mlp) + 2 * n * n * v.hidden
    tower = n * v.patch**2 * 3 * v.hidden + v.depth * block + (1 + maps) * merged * joined * (joined + t.hidden)
    if spec.taps.point == VISION:
        return 2 * views * tower
    length = spec.prompt.spans(views)[-1][1]
    wide, narrow = t.heads * t.headDim, t.kvHeads * t.headDim
    layer = length * (t.hidden * (2 * wide + 2 * narrow) + 3 * t.hidden * t.mlp) + 2 * length * length * wide
    return 2 * (views * tower + spec.taps.last * layer)


def versions():
    import numpy
    import onnx
    import onnxruntime
    import torch
    import transformers

    found = {m.__name__: m.__version__.split("+")[0] for m in (torch, transformers, onnx, onnxruntime, numpy)}
    return {"python": platform.python_version(), **found}


def described(checkpoint, spec, files, check):
    """The whole of model.json. `spec`: see export.Spec."""
    hidden = checkpoint.text.hidden
    d = {
        "format": "prep-qwen3vl",
        "version": 1,
        "model": {
            "name": spec.name,
            "revision": spec.revision,
            "sha256": checkpoint.sha256(),
            "text": facts(checkpoint.text, {"eps"}),
            "vision": facts(checkpoint.vision, {"ropeTheta", "gridSide"}),
        },
        "precision": spec.precision,
        "opset": spec.opset,
        "preset": spec.taps.preset,
        "tapPoint": spec.taps.point,
        "taps": list(spec.taps.at),
        "languageModel": spec.taps.point != VISION,
        "hidden": hidden,
        "tokens": spec.prompt.tokens,
        "views": list(spec.views),
        "signatures": [list(s) for s in spec.signatures],
        "image": spec.image,
        "prompt": spec.prompt.described(spec.signatures),
        "codec": {"block": block_of(hidden), "signs": signs_of(hidden).tolist()},
        "files": files,
        "flops": {"+".join(s): flops(checkpoint, spec, len(s)) for s in spec.signatures},
        "check": check,
        "madeWith": versions(),
    }
    return {**d, "fingerprint": fingerprint(d)}

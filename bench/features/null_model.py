"""A model folder of the 2B model's shapes whose graphs compute nothing: what is left is what the pipeline costs.

    python null_model.py OUT [--hidden 2048] [--taps 10]        (needs onnx)

`run.ts` completes model.json with its fingerprint."""
import argparse
import hashlib
import json
import pathlib

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper, numpy_helper

TOKENS, OUTLIERS = 64, 8


def constant(name, values, kind=np.int64):
    return numpy_helper.from_array(np.array(values, kind), name)


def filled(name, shape, value, kind):
    """Nodes that give `value` in the shape [batch, *shape]; each part of the shape is the name of a one-element tensor."""
    tensor = helper.make_tensor(f"{name}_value", kind, [1], [value])
    return [helper.make_node("Concat", ["batch", *shape], [f"{name}_shape"], axis=0), helper.make_node("ConstantOfShape", [f"{name}_shape"], [name], value=tensor)]


def graph(views, output, taps, hidden):
    names = {"taps": taps, "tokens": TOKENS, "hidden": hidden, "views": len(views), "two": 2}
    inputs = [helper.make_tensor_value_info("images", T.UINT8, ["batch", len(views), 256, 256, 3])]
    nodes = [helper.make_node("Shape", ["images"], ["image_shape"]), helper.make_node("Slice", ["image_shape", "zero", "one", "zero"], ["batch"])]
    kinds = {"f32": T.FLOAT, "f16": T.FLOAT16, "int8": T.INT8}
    outputs = []

    def put(name, shape, value, kind):
        nodes.extend(filled(name, shape, value, kind))
        outputs.append(helper.make_tensor_value_info(name, kind, ["batch", *([None] * len(shape))]))

    if output == "int8":
        inputs.append(helper.make_tensor_value_info("outliers", T.INT64, [taps, "count"]))
        nodes += [helper.make_node("Shape", ["outliers"], ["outlier_shape"]), helper.make_node("Slice", ["outlier_shape", "one", "twos", "zero"], ["count"])]
    for role in views:
        put(role, ["taps", "tokens", "hidden"], 1, kinds[output])
        if output == "int8":
            put(f"{role}_scale", ["taps", "tokens"], 1, T.FLOAT16)
            put(f"{role}_side", ["taps", "tokens", "count"], 1, T.FLOAT16)
    put("health", ["views", "taps", "two"], 0, T.FLOAT)
    values = [constant(name, [value]) for name, value in names.items()] + [constant("zero", [0]), constant("one", [1]), constant("twos", [2])]
    made = helper.make_graph(nodes, "nothing", inputs, outputs, values)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out")
    p.add_argument("--hidden", type=int, default=2048)
    p.add_argument("--taps", type=int, default=10)
    args = p.parse_args()
    out = pathlib.Path(args.out)
    out.mkdir(parents=True)
    views, files = ["third", "wrist"], {}
    for output in ("f32", "f16", "int8"):
        onnx.save(graph(views, output, args.taps, args.hidden), str(out / f"third+wrist.{output}.onnx"))
    (out / "weights.bin").write_bytes(b"\0" * 16)
    for path in sorted(out.iterdir()):
        data = path.read_bytes()
        files[path.name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    signs = np.where(np.random.default_rng(0).random(args.hidden) < 0.5, -1, 1).tolist()
    model = {
        "format": "prep-qwen3vl", "version": 1, "model": {"name": "nothing", "revision": "", "sha256": {}}, "precision": "f32", "preset": "apt-stage1",
        "tapPoint": "hf_hidden_states", "taps": list(range(args.taps)), "languageModel": True, "hidden": args.hidden, "tokens": TOKENS, "views": views, "signatures": [views],
        "image": {"width": 256, "height": 256}, "codec": {"block": args.hidden & -args.hidden, "signs": signs}, "files": files, "flops": {"third+wrist": 683e9},
        "prompt": {"prefixIds": [], "specialIds": {}, "positionRule": "", "signatures": {"third+wrist": {"ids": [], "imageTokenPositions": [], "mropePositions": [[], [], []]}}},
    }
    (out / "model.json").write_text(json.dumps(model))


if __name__ == "__main__":
    main()

"""python -m qwen3vl.export CHECKPOINT OUT --preset apt-stage1        (from tools/, or: python tools/qwen3vl/export.py …)

Writes a folder of ONNX graphs that share one weights.bin, and model.json, for `prep features run --model OUT`.
Nothing appears at OUT unless the graphs agree with transformers."""
import argparse
import gc
import pathlib
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
    __package__ = "qwen3vl"

from .presets import BLOCK_INPUT, HF, PRESETS, Taps, taps_of

ROLES = ("third", "third2", "wrist", "wrist2")


@dataclass(frozen=True)
class Spec:
    """What one model folder holds."""

    name: str
    revision: str
    taps: Taps
    views: tuple
    signatures: tuple
    prompt: object
    image: dict
    precision: str = "f32"
    outputs: tuple = ("f32", "f16", "int8")
    opset: int = 23


def arguments(argv=None):
    p = argparse.ArgumentParser(prog="qwen3vl.export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("checkpoint", help="folder with config.json, preprocessor_config.json and *.safetensors of a dense Qwen3-VL")
    p.add_argument("out", help="folder to make; must not exist")
    p.add_argument("--preset", choices=PRESETS, default="apt-stage1", help="which hidden states (default apt-stage1)")
    p.add_argument("--taps", help="own list instead of the preset's, 0,3,6")
    p.add_argument("--tap-point", choices=[HF, BLOCK_INPUT], help="with --taps: before or after the DeepStack add of taps 1, 2, 3 (default hf_hidden_states)")
    p.add_argument("--views", default="third,wrist", help="roles in the order of the prompt (default third,wrist)")
    p.add_argument("--signatures", help="view sets with a graph each, third+wrist,third (default: all views, and those without the trailing wrists)")
    p.add_argument("--prefix-ids", help="token ids before the first picture, 151644,872,198")
    p.add_argument("--prefix-text", help="the same as text; needs the checkpoint's tokenizer (default: <|im_start|>user and a newline)")
    p.add_argument("--precision", choices=["f32", "bf16"], default="f32", help="bf16: weights and products; norms and softmax stay float32")
    p.add_argument("--outputs", default="f32,f16,int8", help="graphs per signature (default f32,f16,int8)")
    p.add_argument("--opset", type=int, choices=[18, 23], default=23, help="README says why 23")
    p.add_argument("--name", help="name of the model (default: the checkpoint folder's)")
    p.add_argument("--revision", default="", help="revision of the checkpoint, for the record and the fingerprint")
    p.add_argument("--check-images", metavar="DIR", help="pictures for the self check (default: generated ones)")
    p.add_argument("--unchecked", action="store_true", help="write without the self check; model.json then says \"check\": null")
    p.add_argument("--threads", type=int, help="torch threads")
    return p.parse_args(argv)


def listed(text):
    return tuple(part.strip() for part in text.split(",") if part.strip())


def taps_from(args, checkpoint):
    from .checkpoint import Refused
    from .inputs import numbers_in

    if args.taps is None:
        if args.tap_point:
            raise Refused(f"expected --taps with --tap-point {args.tap_point}, found the preset {args.preset}, which has its own: name the taps")
        return taps_of(args.preset, checkpoint.text.layers, len(checkpoint.vision.deepstackVisualIndexes))
    at = tuple(sorted(set(numbers_in(args.taps, "--taps"))))
    if not at or at[0] < 0 or at[-1] > checkpoint.text.layers:
        raise Refused(f"expected taps from 0 to {checkpoint.text.layers}, found {args.taps}")
    return Taps(args.tap_point or HF, at)


def signatures_from(text, views):
    from .checkpoint import Refused

    if not views or len(set(views)) < len(views) or not set(views) <= set(ROLES):
        raise Refused(f"expected --views as different roles of {', '.join(ROLES)}, found {','.join(views)}")
    if text is None:
        kept = list(views)
        while len(kept) > 1 and kept[-1].startswith("wrist"):
            kept.pop()
        return (views,) if tuple(kept) == views else (views, tuple(kept))
    found = tuple(tuple(s.split("+")) for s in listed(text))
    if not found:
        raise Refused(f"expected at least one of the signatures of {'+'.join(views)}, found none: name one, or leave --signatures out")
    for s in found:
        if [v for v in views if v in s] != list(s):
            raise Refused(f"expected signatures as views of {'+'.join(views)} in that order, found {'+'.join(s)}")
    return found


def spec_from(args, checkpoint):
    from .inputs import image_from, prefix_from
    from .prompt import Prompt

    views, image = listed(args.views), image_from(checkpoint)
    prompt = Prompt(prefix_from(args, checkpoint), checkpoint.special_ids, image["width"] // (image["patch"] * image["merge"]))
    return Spec(
        args.name or checkpoint.path.resolve().name, args.revision, taps_from(args, checkpoint), views, signatures_from(args.signatures, views), prompt, image, args.precision, listed(args.outputs), args.opset
    )


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def write_graphs(folder, checkpoint, spec, precision, outputs):
    """-> the `files` of model.json."""
    from .graph import exported
    from .save import WEIGHTS, WeightsFile, save
    from .stage1 import Model

    folder.mkdir(parents=True, exist_ok=True)
    weights, files = WeightsFile(folder), {}
    model = Model(checkpoint, spec, precision)
    for signature in spec.signatures:
        for output in outputs:
            name = f"{'+'.join(signature)}.{output}.onnx"
            say(f"{precision} graph {name}")
            files[name] = save(exported(model.graph(signature, output)), folder / name, weights)
    del model
    checkpoint.release()
    gc.collect()
    return {**files, WEIGHTS: weights.close()}


def export(checkpoint, spec, out, images):
    """Makes the folder `out` whole or not at all. images: (n, views, H, W, 3) uint8 for the self check, or None to leave it out."""
    import json

    from .checkpoint import Refused
    from .describe import described

    out = pathlib.Path(out)
    if out.exists():
        raise Refused(f"expected no {out}, found one: name another folder or remove it")
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = pathlib.Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent))  # of this process alone, so two exports to one OUT never share files
    made = unfinished / out.name  # mkdtemp's own folder is closed to others, OUT shall not be
    try:
        made.mkdir()
        check = None if images is None else run_check(made, checkpoint, spec, images)
        if spec.precision == "bf16" or images is None:
            files = write_graphs(made, checkpoint, spec, spec.precision, spec.outputs)
        else:
            files, check = check
        (made / "model.json").write_text(json.dumps(described(checkpoint, spec, files, check), indent=1, allow_nan=False) + "\n")
        made.rename(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def run_check(made, checkpoint, spec, images):
    """f32: the graphs are those that stay -> (files, report). bf16: f32 graphs of the same weights are made, checked and removed -> their report and that of the bf16 module."""
    from .check import checked, compare_bf16

    folder = made if spec.precision == "f32" else made / "f32"
    outputs = ("f32", *(o for o in spec.outputs if o != "f32"))
    files = write_graphs(folder, checkpoint, spec, "f32", outputs)
    say("check against transformers")
    report = checked(folder, checkpoint, spec, images)
    if spec.precision == "bf16":
        shutil.rmtree(folder)
        say("bf16 against f32")
        return {"f32Graphs": report, "bf16": compare_bf16(checkpoint, spec, images)}
    for name in [n for n in files if n.endswith(".f32.onnx") and "f32" not in spec.outputs]:
        (folder / name).unlink()
        del files[name]
    return files, report


def main(argv=None):
    args = arguments(argv)
    import torch

    from .check import CheckFailed
    from .checkpoint import Checkpoint, Refused
    from .images import from_folder, generated

    if args.threads:
        torch.set_num_threads(args.threads)
    try:
        checkpoint = Checkpoint(args.checkpoint)
        spec = spec_from(args, checkpoint)
        if not spec.outputs or not set(spec.outputs) <= {"f32", "f16", "int8"}:
            raise Refused(f"expected --outputs of f32, f16, int8, found {args.outputs}")
        images = None if args.unchecked else from_folder(args.check_images, len(spec.views)) if args.check_images else generated(3, len(spec.views))
        export(checkpoint, spec, args.out, images)
    except (Refused, CheckFailed) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    say(f"wrote {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

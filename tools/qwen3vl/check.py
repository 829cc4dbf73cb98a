"""The self check: the graphs in ONNX Runtime (CPU) against transformers, every tap, every signature. A mismatch raises before anything is put in place."""
import gc

import numpy as np
import torch

from . import codec, codec_numpy
from .reference import Reference
from .stage1 import DTYPES, Model

MAX_REL = 1e-4  # largest absolute error / largest absolute value; a right graph has about 1e-6
BULK_RMS = 1e-3  # relative RMS without the loudest channels, which would hide an error everywhere else
UNCHANGED = 1e-5  # an instruction after the images changes nothing but the order of float sums
CODEC_SHARE = 1e-3  # share of int8 values that may differ by one step
INSTRUCTION = 7  # tokens appended


class CheckFailed(Exception):
    pass


def checked(folder, checkpoint, spec, images):
    """Runs everything on the f32 graphs in `folder`; images (n, views, H, W, 3). Returns the `check` of model.json."""
    wanted = references(checkpoint, spec, images)
    report = {"against": f"transformers {_version()}", "images": int(images.shape[0]), "maxRel": {}, "bulkRms": {}, "batchMaxRel": 0.0, "instructionMaxRel": 0.0}
    for signature in spec.signatures:
        want, changed = wanted["+".join(signature)]
        if changed > UNCHANGED:
            raise CheckFailed(f"expected features that an instruction after the images leaves unchanged, found max rel {changed:.2e} in transformers for {'+'.join(signature)}")
        report["instructionMaxRel"] = max(report["instructionMaxRel"], changed)
        check_signature(folder, spec, signature, chosen(images, spec, signature), want, report)
    return report


def chosen(images, spec, signature):
    return images[:, [spec.views.index(v) for v in signature]]


def references(checkpoint, spec, images):
    """signature -> (want (n, V, taps, 64, D), change by an instruction). The model is gone afterwards: it is as large as the graph's weights."""
    reference = Reference(checkpoint.path)
    points = [(spec.taps.point, t) for t in spec.taps.at]
    special = set(spec.prompt.special_ids.values())
    words = [i for i in range(11, 64) if i not in special][:INSTRUCTION]
    found = {}
    for signature in spec.signatures:
        mine = chosen(images, spec, signature)
        want = reference.answers(mine, spec.prompt.prefix_ids, points)
        after = reference.answer(mine[0], spec.prompt.prefix_ids, points, words)
        found["+".join(signature)] = want, max(max_rel(after[:, t], want[0][:, t]) for t in range(len(points)))
    del reference
    gc.collect()
    return found


def check_signature(folder, spec, signature, images, want, report):
    name = "+".join(signature)
    got = run(folder / f"{name}.f32.onnx", {"images": images})
    for v, role in enumerate(signature):
        for t, tap in enumerate(spec.taps.at):
            key, x, y = f"{name}/{role}/{tap}", got[role][:, t], want[:, v, t]
            rel, bulk = max_rel(x, y), bulk_rms(x, y)
            report["maxRel"][key], report["bulkRms"][key] = rel, bulk
            if not (rel <= MAX_REL and bulk <= BULK_RMS):
                raise CheckFailed(f"expected tap {tap} ({spec.taps.point}) of {role} in {name} as transformers gives it, found max rel {rel:.2e}, bulk relative RMS {bulk:.2e}: this graph must not be used")
    one = run(folder / f"{name}.f32.onnx", {"images": images[:1]})
    for role in signature:
        report["batchMaxRel"] = max(report["batchMaxRel"], max_rel(one[role][0], got[role][0]))
    if report["batchMaxRel"] > UNCHANGED:
        raise CheckFailed(f"expected the same features alone and in a batch, found max rel {report['batchMaxRel']:.2e} for {name}")
    check_health(got, signature, name)
    if "f16" in spec.outputs:
        check_f16(run(folder / f"{name}.f16.onnx", {"images": images}), got, signature)
    if "int8" in spec.outputs:
        report["int8"] = max(report.get("int8", 0.0), check_int8(folder / f"{name}.int8.onnx", images, got, signature))


def check_health(got, signature, name):
    for v, role in enumerate(signature):
        largest = np.abs(got[role]).max((2, 3))
        if not (np.allclose(got["health"][:, v, :, 0], largest, rtol=1e-6) and (got["health"][:, v, :, 1] == 0).all()):
            raise CheckFailed(f"expected health = largest magnitude and 0 for {role} of {name}, found other numbers")


def check_f16(half, got, signature):
    for role in signature:
        want = got[role].astype(np.float16).astype(np.float32)
        step = np.maximum(np.abs(want) * 2.0**-10, 2.0**-24)  # one unit in the last place, should the sums have another order
        if not (np.abs(half[role].astype(np.float32) - want) <= step).all():
            raise CheckFailed(f"expected the f16 output of {role} to be the rounded f32 output, found other values")


def check_int8(file, images, got, signature):
    """-> largest share of values one step off."""
    outliers = np.stack([codec_numpy.loudest(np.stack([got[r][:, t] for r in signature]), min(8, got[signature[0]].shape[-1] // 8)) for t in range(got[signature[0]].shape[1])])
    hidden = got[signature[0]].shape[-1]
    signs, block, worst = codec.signs_of(hidden), codec.block_of(hidden), 0.0
    out = run(file, {"images": images, "outliers": outliers})
    for role in signature:
        for t in range(outliers.shape[0]):
            q, scale, side = codec_numpy.encoded(got[role][:, t], outliers[t], signs, block)
            off = np.abs(out[role][:, t].astype(int) - q)
            share = float((off > 0).mean())
            worst = max(worst, share)
            scales = np.abs(out[role + "_scale"][:, t].view(np.int16).astype(int) - scale.view(np.int16))
            sides = np.abs(out[role + "_side"][:, t].astype(np.float32) - side.astype(np.float32)) > np.abs(side.astype(np.float32)) * 2.0**-10 + 2.0**-24
            if off.max() > 1 or share > CODEC_SHARE or scales.max() > 1 or sides.any():
                raise CheckFailed(f"expected int8 values as numpy's hq8 gives them (one step off in at most {CODEC_SHARE:.1%}), found {share:.2%}, largest step {off.max()}, scale off by {scales.max()} ulp: tap {t} of {role}")
    return worst


def compare_bf16(checkpoint, spec, images):
    """The bf16 module against the f32 one, in torch: ONNX Runtime's CPU has no bf16 products. tap -> relative RMS, lowest token cosine."""
    taken = {}
    for precision in DTYPES:
        model = Model(checkpoint, spec, precision)
        with torch.no_grad():
            taken[precision] = model.graph(spec.signatures[0], "f32").taps(torch.from_numpy(chosen(images, spec, spec.signatures[0])))
        del model
        gc.collect()
    found = {}
    for role, wide, narrow in zip(spec.signatures[0], taken["f32"], taken["bf16"]):
        for t, tap in enumerate(spec.taps.at):
            x, y = narrow[:, t].numpy().astype(np.float64), wide[:, t].numpy().astype(np.float64)
            cosine = (x * y).sum(-1) / np.linalg.norm(x, axis=-1) / np.linalg.norm(y, axis=-1)
            found[f"{'+'.join(spec.signatures[0])}/{role}/{tap}"] = {"relRms": float(np.sqrt(((x - y) ** 2).sum() / (y**2).sum())), "minCosine": float(cosine.min())}
    return found


def run(file, feeds):
    """One run on the CPU; outputs by name. Weights stay mapped, not repacked: half the memory."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.add_session_config_entry("session.disable_prepacking", "1")
    options.intra_op_num_threads = torch.get_num_threads()
    session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return dict(zip((o.name for o in session.get_outputs()), session.run(None, feeds)))


def max_rel(x, y):
    return float(np.abs(x - y).max() / np.abs(y).max())


def bulk_rms(x, y):
    rest = np.setdiff1d(np.arange(y.shape[-1]), codec_numpy.loudest(y, min(8, y.shape[-1] // 8)))
    error = (x[..., rest] - y[..., rest]).astype(np.float64)
    return float(np.sqrt((error**2).sum() / (y[..., rest].astype(np.float64) ** 2).sum()))


def _version():
    import transformers

    return transformers.__version__

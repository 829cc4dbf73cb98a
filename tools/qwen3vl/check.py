"""The self check: the graphs in ONNX Runtime (CPU) against transformers, every tap, every signature. A mismatch raises before anything is put in place."""
import gc

import numpy as np
import torch

from . import codec, codec_numpy
from .reference import Reference
from .stage1 import Model

MAX_REL = 3e-5  # largest absolute error / largest absolute value; right graphs have up to 3.4e-6
BULK_RMS = 5e-5  # relative RMS without the loudest channels, which would hide an error everywhere else; right graphs have up to 3.4e-6
BF16_RMS, BF16_COSINE = 0.08, 0.99  # bf16 against f32: largest relative RMS of a tap, least cosine of a token; right modules have 0.03 and 0.9994 (2B), 0.03 and 0.995 (tiny)
F16_END = 65504.0
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
        if not changed <= UNCHANGED:  # so written, NaN is refused too; likewise below
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
        found["+".join(signature)] = want, float(np.max([max_rel(after[:, t], want[0][:, t]) for t in range(len(points))]))  # np.max keeps NaN
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
            over = [f"{what} {x:.2e} (at most {most:.0e})" for what, x, most in (("max rel", rel, MAX_REL), ("bulk relative RMS", bulk, BULK_RMS)) if not x <= most]
            if over:
                raise CheckFailed(f"expected tap {tap} ({spec.taps.point}) of {role} in {name} as transformers gives it, found {' and '.join(over)}: this graph must not be used")
    one = run(folder / f"{name}.f32.onnx", {"images": images[:1]})
    report["batchMaxRel"] = float(np.max([report["batchMaxRel"], *(max_rel(one[role][0], got[role][0]) for role in signature)]))
    if not report["batchMaxRel"] <= UNCHANGED:
        raise CheckFailed(f"expected the same features alone and in a batch, found max rel {report['batchMaxRel']:.2e} for {name}")
    check_health(got, signature, name)
    if {"f16", "int8"} & set(spec.outputs):
        check_range(got, spec.taps.at, signature)
    if "f16" in spec.outputs:
        check_f16(run(folder / f"{name}.f16.onnx", {"images": images}), got, signature)
    if "int8" in spec.outputs:
        report["int8"] = max(report.get("int8", 0.0), check_int8(folder / f"{name}.int8.onnx", images, got, signature))


def check_health(got, signature, name):
    for v, role in enumerate(signature):
        largest = np.abs(got[role]).max((2, 3))
        if not (np.allclose(got["health"][:, v, :, 0], largest, rtol=1e-6) and (got["health"][:, v, :, 1] == 0).all()):
            raise CheckFailed(f"expected health = largest magnitude and 0 for {role} of {name}, found other numbers")


def check_range(got, taps, signature):
    """f16, and the side array and the scales of int8, would be infinite above."""
    for role in signature:
        for t, tap in enumerate(taps):
            largest = float(np.abs(got[role][:, t]).max())
            if largest > F16_END:
                raise CheckFailed(f"expected values that float16 holds for {role} of {'+'.join(signature)}, found that tap {tap} reaches {largest:.0f}, float16 ends at 65504: leave f16 (and int8) out of --outputs")


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
    """The bf16 module against the f32 one, in torch: ONNX Runtime's CPU has no bf16 products. signature/view/tap -> relative RMS, lowest token cosine."""
    wide, narrow = (module_taps(checkpoint, spec, images, precision) for precision in ("f32", "bf16"))
    found = {}
    for signature in spec.signatures:
        name = "+".join(signature)
        for role, ours, want in zip(signature, narrow[name], wide[name]):
            for t, tap in enumerate(spec.taps.at):
                found[f"{name}/{role}/{tap}"] = checked_bf16(ours[:, t], want[:, t], f"tap {tap} ({spec.taps.point}) of {role} in {name}")
    return found


def module_taps(checkpoint, spec, images, precision):
    """signature -> per view (n, taps, 64, D) of the module in torch, which is gone afterwards."""
    model, found = Model(checkpoint, spec, precision), {}
    for signature in spec.signatures:
        with torch.no_grad():
            found["+".join(signature)] = [x.numpy() for x in model.graph(signature, "f32").taps(torch.from_numpy(chosen(images, spec, signature)))]
    del model
    gc.collect()
    return found


def checked_bf16(ours, want, where):
    x, y = ours.astype(np.float64), want.astype(np.float64)
    if not np.isfinite(x).all():
        raise CheckFailed(f"expected finite values in bf16 for {where}, found {(~np.isfinite(x)).sum()} others: use --precision f32")
    with np.errstate(invalid="ignore", divide="ignore"):  # a token of zeros gives NaN, which is refused
        cosine = float(((x * y).sum(-1) / np.linalg.norm(x, axis=-1) / np.linalg.norm(y, axis=-1)).min())
        rms = float(np.sqrt(((x - y) ** 2).sum() / (y**2).sum()))
    if not (rms <= BF16_RMS and cosine >= BF16_COSINE):
        raise CheckFailed(
            f"expected {where} in bf16 near f32 (relative RMS at most {BF16_RMS}, token cosine at least {BF16_COSINE}), found relative RMS {rms:.4f}, least token cosine {cosine:.4f}: "
            "this graph must not be used; try --precision f32"
        )
    return {"relRms": rms, "minCosine": cosine}


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

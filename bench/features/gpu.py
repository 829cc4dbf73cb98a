#!/usr/bin/env python3
"""What a frame costs on a CUDA card: the exported graph in ONNX Runtime against transformers on the same card in the same run.

    python bench/features/gpu.py --checkpoint 2b --out results.json        (a name of random_model, a config.json, or a checkpoint folder)

Needs tools/qwen3vl/requirements.txt with onnxruntime-gpu in place of onnxruntime, and a CUDA build of torch. Stops by itself
before --minutes; what did not fit is named in the results, which are written after every step. A frame is two views.
Random weights cost the same as trained ones; their errors say how bf16 behaves, not how good the features are.
"""
import argparse
import contextlib
import gc
import importlib.util
import json
import pathlib
import shutil
import sys
import tempfile
import time
from dataclasses import replace

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import numpy as np
import torch
from gpu_compare import codec_errors, errors, placed
from gpu_torch import TorchOps

from qwen3vl import export, images, random_model, stage1
from qwen3vl.checkpoint import Checkpoint
from qwen3vl.codec_numpy import loudest
from qwen3vl.describe import flops, versions
from qwen3vl.reference import Reference

SIGNATURE = "third+wrist"


class Bench:
    def __init__(self, args):
        self.args, self.start = args, time.monotonic()
        self.cuda = args.device == "cuda"
        self.precision = "bf16" if self.cuda else "f32"  # ONNX Runtime's CPU has no bf16 products
        self.batches = [int(b) for b in args.batches.split(",")]
        self.results = {"device": torch.cuda.get_device_name() if self.cuda else "cpu", "precision": self.precision, "checkpoint": args.checkpoint, "versions": versions(), "steps": {}}
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="qwen3vl_gpu_", dir=args.scratch))

    def left(self):
        return self.args.minutes * 60 - (time.monotonic() - self.start)

    def step(self, name, needs, work):
        """Runs and records one step; one that has no time left or fails is recorded so, and the others go on."""
        began, steps = time.monotonic(), self.results["steps"]
        if self.left() < needs:
            steps[name] = {"skipped": f"{self.left():.0f} s left, {needs} s asked for"}
        else:
            try:
                steps[name] = {**(work() or {}), "seconds": round(time.monotonic() - began, 1)}
            except Exception as error:  # noqa: BLE001  a step that fails is a result
                steps[name] = {"failed": f"{type(error).__name__}: {error}"[:600]}
        gc.collect()
        if self.cuda:
            torch.cuda.empty_cache()
        print(name, {k: v for k, v in steps[name].items() if not isinstance(v, dict)}, file=sys.stderr, flush=True)
        pathlib.Path(self.args.out).write_text(json.dumps(self.results, indent=1) + "\n")

    def sync(self):
        if self.cuda:
            torch.cuda.synchronize()

    def timed(self, work, batch):
        """Frames per second: at least three runs, up to two seconds, after two to warm up."""
        for _ in range(2):
            work()
        self.sync()
        began, runs = time.monotonic(), 0
        while runs < 3 or (time.monotonic() - began < 2 and runs < 200):
            work()
            runs += 1
        self.sync()
        return round(runs * batch / (time.monotonic() - began), 2)

    def by_batch(self, make):
        """make(batch) -> a function to time. A batch that does not fit into memory is named, larger ones are left out."""
        found = {}
        for batch in self.batches:
            if self.left() < 12:
                found[str(batch)] = {"skipped": "no time left"}
                continue
            try:
                speed = self.timed(make(batch), batch)
            except Exception as error:  # noqa: BLE001
                found[str(batch)] = {"failed": f"{type(error).__name__}: {error}"[:300]}
                break
            found[str(batch)] = {"framesPerSecond": speed, "shareOfMatmulRate": round(speed * self.flop / self.rate, 4)}
        return {"batches": found}

    # the steps

    def matmul(self):
        n, kind = (8192, torch.bfloat16) if self.cuda else (1024, torch.float32)
        a, b = (torch.randn(n, n, device=self.args.device, dtype=kind) for _ in range(2))
        self.rate = self.timed(lambda: a @ b, 1) * 2 * n**3
        return {"teraflops": round(self.rate / 1e12, 2), "size": n}

    def prepare(self):
        given = pathlib.Path(self.args.checkpoint)
        if given.is_dir():
            self.checkpoint = Checkpoint(given)
        else:
            random_model.main([str(self.work / "checkpoint"), "--config", self.args.checkpoint])
            self.checkpoint = Checkpoint(self.work / "checkpoint")
        options = [str(self.checkpoint.path), "unused", "--prefix-ids", self.args.prefix_ids, "--precision", self.precision, "--outputs", "f32,int8", "--signatures", SIGNATURE, "--preset", self.args.preset]
        self.spec = export.spec_from(export.arguments([*options, "--opset", str(self.args.opset)]), self.checkpoint)
        self.flop = flops(self.checkpoint, self.spec, 2)
        self.pictures = images.generated(4, 2)
        export.export(self.checkpoint, self.spec, self.work / SIGNATURE, None)
        return {"gigaflopPerFrame": round(self.flop / 1e9, 1), "taps": list(self.spec.taps.at)}

    def session(self, output, profile=None, signature=SIGNATURE):
        import onnxruntime as ort

        if hasattr(ort, "preload_dlls"):
            ort.preload_dlls()
        options = ort.SessionOptions()
        options.log_severity_level = 3
        if profile:
            options.enable_profiling, options.profile_file_prefix = True, str(profile)
        providers = [("CUDAExecutionProvider", {"use_tf32": "0"}), "CPUExecutionProvider"] if self.cuda else ["CPUExecutionProvider"]
        session = ort.InferenceSession(self.work / signature / f"{signature}.{output}.onnx", options, providers=providers)
        if self.cuda and session.get_providers()[0] != "CUDAExecutionProvider":
            raise RuntimeError(f"expected the CUDA provider, found {session.get_providers()}: install onnxruntime-gpu for this CUDA")
        return session

    def feeds(self, batch, output):
        found = {"images": np.ascontiguousarray(np.resize(self.pictures, (batch, *self.pictures.shape[1:])))}
        return found | ({"outliers": self.outliers} if output == "int8" else {})

    def placement(self):
        """Nodes that the profiler saw on another provider than the card's."""
        session = self.session("int8", self.work / "profile")
        session.run(None, self.feeds(2, "int8"))
        events = json.loads(pathlib.Path(session.end_profiling()).read_text())
        nodes = [e["args"] for e in events if e.get("cat") == "Node" and "provider" in e.get("args", {})]
        found = placed(nodes)
        return found if self.cuda else {**found, "unexpectedOnCpu": "all: no card"}

    def accuracy(self):
        """Errors against transformers in f32: the graph's, and those of transformers in the graph's precision."""
        points = [(self.spec.taps.point, t) for t in self.spec.taps.at]

        def hf(kind):
            found = Reference(self.checkpoint.path, kind, self.args.device).answers(self.pictures, self.spec.prompt.prefix_ids, points)
            gc.collect()
            return found

        wide = hf(torch.float32)
        narrow = hf(torch.bfloat16)
        out = dict(zip(["third", "wrist", "health"], self.session("f32").run(None, self.feeds(4, "f32"))))
        self.outliers = np.stack([loudest(wide[:, :, t], min(8, wide.shape[-1] // 8)) for t in range(len(points))])
        ours = np.stack([out["third"], out["wrist"]], 1)
        taps = {str(tap): {"onnx": errors(ours[:, :, t], wide[:, :, t]), "transformersBf16": errors(narrow[:, :, t], wide[:, :, t])} for t, (_, tap) in enumerate(points)}
        ratio = max(t["onnx"]["relRms"] / t["transformersBf16"]["relRms"] for t in taps.values())
        return {"taps": taps, "worstRatioToTransformersBf16": round(ratio, 3), "largest": float(out["health"][..., 0].max()), "finite": bool(np.isfinite(out["health"]).all())}

    def codec(self, signature):
        """The int8 graph against numpy's hq8 of what the f32 graph gives, both on the card."""
        roles = signature.split("+")
        found = {}
        for output in ("f32", "int8"):
            session = self.session(output, signature=signature)
            feeds = self.feeds(2, output)
            values = session.run(None, {**feeds, "images": np.ascontiguousarray(feeds["images"][:, : len(roles)])})
            found[output] = dict(zip((o.name for o in session.get_outputs()), values))
            del session
            gc.collect()
        return codec_errors(found["int8"], found["f32"], roles, self.outliers)

    def codec_third(self):
        """The other signature in a folder of its own, last: its graphs are made only where time is left."""
        export.export(self.checkpoint, replace(self.spec, signatures=(("third",),)), self.work / "third", None)
        return self.codec("third")

    def ort(self, output):
        session = self.session(output)

        def make(batch):
            bound = session.io_binding()
            for name, value in self.feeds(batch, output).items():
                import onnxruntime as ort

                bound.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(value, self.args.device, 0))
            for o in session.get_outputs():
                bound.bind_output(o.name, self.args.device, 0)

            def once():
                session.run_with_iobinding(bound)
                bound.synchronize_outputs()

            return once

        return self.by_batch(make)

    def ort_host(self):
        """As prep runs it: pictures from host memory, int8 back to it."""
        session = self.session("int8")
        return self.by_batch(lambda batch: lambda feeds=self.feeds(batch, "int8"): session.run(None, feeds))

    def module(self):
        model = stage1.Model(self.checkpoint, self.spec, self.precision).to(self.args.device)
        graph = model.graph(("third", "wrist"), "f32").to(self.args.device)
        graph.op = TorchOps
        self.results.setdefault("notes", []).append("torch-module: the exported module run by torch, SDPA, no compile")

        def make(batch):
            pictures = torch.from_numpy(self.feeds(batch, "f32")["images"]).to(self.args.device)

            def once():
                with torch.no_grad():
                    graph.taps(pictures)

            return once

        return self.by_batch(make)

    def transformers(self, attention):
        """Blocks above the last tap are cut off and the pixels are prepared beforehand: less work than the graph does."""
        reference = Reference(self.checkpoint.path, torch.bfloat16 if self.cuda else torch.float32, self.args.device, attention)
        core = reference.core
        core.language_model.layers = core.language_model.layers[: self.spec.taps.last]
        ids = torch.tensor([reference.ids(self.spec.prompt.prefix_ids, 2)], device=self.args.device)

        def make(batch):
            pictures = self.feeds(batch, "f32")["images"]
            pixels = reference.processor([*pictures.reshape(-1, *pictures.shape[2:])], return_tensors="pt").to(self.args.device)
            many = ids.repeat(batch, 1)
            inputs = {"input_ids": many, "mm_token_type_ids": (many == reference.model.config.image_token_id).int(), "pixel_values": pixels["pixel_values"], "image_grid_thw": pixels["image_grid_thw"]}

            def once():
                with torch.no_grad():
                    core(**inputs, output_hidden_states=True, use_cache=False)

            return once

        return self.by_batch(make)

    def run(self):
        self.step("matmul", 10, self.matmul)
        self.step("export", 60, self.prepare)
        if "failed" in self.results["steps"]["export"]:
            return
        self.step("accuracy", 45, self.accuracy)
        self.step("placement", 25, self.placement)
        self.step("codec", 25, lambda: self.codec(SIGNATURE))
        self.step("onnx-int8", 30, lambda: self.ort("int8"))
        self.step("transformers-sdpa", 30, lambda: self.transformers("sdpa"))
        if self.cuda and importlib.util.find_spec("flash_attn"):
            self.step("transformers-flash", 30, lambda: self.transformers("flash_attention_2"))
        else:
            self.results["steps"]["transformers-flash"] = {"skipped": "flash_attn is not installed"}
        self.step("onnx-int8-host", 25, self.ort_host)
        self.step("torch-module", 25, self.module)
        self.step("onnx-f32", 20, lambda: self.ort("f32"))
        self.step("codec-third", 75, self.codec_third)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--checkpoint", default="2b")
    p.add_argument("--out", default="results.json")
    p.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    p.add_argument("--batches", default="1,8,32,64,128")
    p.add_argument("--prefix-ids", default="151644,872,198")
    p.add_argument("--preset", default="apt-stage1")
    p.add_argument("--opset", default=23, type=int)
    p.add_argument("--minutes", default=7.5, type=float)
    p.add_argument("--scratch", help="folder for the checkpoint and the graphs, 12 GB for 2b (default: the system's)")
    args = p.parse_args()
    torch.backends.cudnn.allow_tf32 = False  # the f32 reference is to be f32
    bench = Bench(args)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            bench.run()
    finally:
        shutil.rmtree(bench.work, ignore_errors=True)


if __name__ == "__main__":
    main()

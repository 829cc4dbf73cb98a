"""Checkpoints and exports for the tests; temporary ones go with the process."""
import contextlib
import io
import json
import pathlib
import tempfile

import numpy as np
import torch

from qwen3vl import export, images, random_model
from qwen3vl.checkpoint import Checkpoint

torch.set_num_threads(2)
ROOT = pathlib.Path(__file__).resolve().parents[3]
TINY = ROOT / "fixtures/qwen3vl_tiny"
PREFIX = "500,72,98"
PICTURES = images.generated(3, 2)


def quietly(work):
    """Progress lines of the exporter and of transformers are no part of a test's output."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        return work()


def exported(checkpoint, out, *options, pictures=PICTURES):
    """-> model.json of the folder `out`."""
    args = export.arguments([str(checkpoint), str(out), "--prefix-ids", PREFIX, *options])
    source = Checkpoint(args.checkpoint)
    quietly(lambda: export.export(source, export.spec_from(args, source), args.out, pictures))
    return json.loads((pathlib.Path(out) / "model.json").read_text())


def described(*options, checkpoint=TINY / "checkpoint", prefix=PREFIX):
    from qwen3vl.describe import described as whole

    args = export.arguments([str(checkpoint), "unused", "--prefix-ids", prefix, *options])
    source = Checkpoint(args.checkpoint)
    return whole(source, export.spec_from(args, source), {}, None)


def reference():
    """name -> array of fixtures/qwen3vl_tiny/reference.bin."""
    index, data = json.loads((TINY / "reference.json").read_text()), (TINY / "reference.bin").read_bytes()
    return {n: np.frombuffer(data, e["dtype"], int(np.prod(e["shape"])), e["offset"]).reshape(e["shape"]) for n, e in index["arrays"].items()}


def small(text=None, vision=None):
    """A checkpoint of other proportions: 3 layers, width 40 (Hadamard blocks of 8), 6 query heads on 2, two DeepStack maps."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="qwen3vl_")) / "small"
    ids = random_model.CONFIGS["tiny"][2]
    words = random_model.text(40, 3, 6, 2, 48, head_dim=16, vocab=512, section=(4, 2, 2)) | (text or {})
    eyes = random_model.vision(24, 5, 3, 40, 40, (1, 3)) | (vision or {})
    from transformers import Qwen3VLConfig

    random_model.write(Qwen3VLConfig(text_config=words, vision_config=eyes, tie_word_embeddings=True, **ids), folder, seed=5)
    return folder

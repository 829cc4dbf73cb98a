"""python -m qwen3vl.random_model --config 2b OUT        a checkpoint of random weights with the real classes' names and shapes

For sizes, speed, memory and wiring; never for what a model sees. Written shard by shard, so a large one needs little memory."""
import argparse
import json
import pathlib
import sys
import zlib

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
    __package__ = "qwen3vl"

import torch

SHARD_BYTES = 1 << 30
HOT = (7, 29)  # channels of the residual stream that carry large values, as trained models have
HOT_GAIN, HOT_BLOCK = 40.0, 1
REAL_IDS = {"image_token_id": 151655, "video_token_id": 151656, "vision_start_token_id": 151652, "vision_end_token_id": 151653}
PROCESSOR = {
    "image_processor_type": "Qwen2VLImageProcessorFast", "do_convert_rgb": True, "do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
    "merge_size": 2, "patch_size": 16, "temporal_patch_size": 2, "resample": 3, "rescale_factor": 1 / 255, "size": {"shortest_edge": 65536, "longest_edge": 16777216},
}  # fmt: skip


def text(hidden, layers, heads, kv, mlp, head_dim=128, vocab=151936, section=(24, 20, 20), tied=True):
    rope = {"rope_type": "default", "rope_theta": 5e6, "mrope_section": list(section), "mrope_interleaved": True}
    return dict(
        vocab_size=vocab, hidden_size=hidden, intermediate_size=mlp, num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=kv, head_dim=head_dim,
        max_position_embeddings=262144, rms_norm_eps=1e-6, tie_word_embeddings=tied, rope_parameters=rope,
    )  # fmt: skip


def vision(hidden, depth, heads, mlp, out, taps):
    return dict(
        depth=depth, hidden_size=hidden, intermediate_size=mlp, num_heads=heads, out_hidden_size=out, patch_size=16, spatial_merge_size=2, temporal_patch_size=2,
        num_position_embeddings=2304, deepstack_visual_indexes=list(taps), hidden_act="gelu_pytorch_tanh",
    )  # fmt: skip


CONFIGS = {
    "2b": (text(2048, 28, 16, 8, 6144), vision(1024, 24, 16, 4096, 2048, (5, 11, 17)), REAL_IDS),
    "4b": (text(2560, 36, 32, 8, 9728), vision(1024, 24, 16, 4096, 2560, (5, 11, 17)), REAL_IDS),
    "8b": (text(4096, 36, 32, 8, 12288, tied=False), vision(1152, 27, 16, 4304, 4096, (8, 16, 24)), REAL_IDS),
    "tiny": (
        text(32, 28, 4, 2, 32, head_dim=16, vocab=512, section=(4, 2, 2)),
        vision(32, 4, 2, 64, 32, (0, 1, 2)),
        {"image_token_id": 505, "video_token_id": 506, "vision_start_token_id": 502, "vision_end_token_id": 503},
    ),
}


def config_of(name):
    from transformers import Qwen3VLConfig

    text_config, vision_config, ids = CONFIGS[name]
    return Qwen3VLConfig(text_config=text_config, vision_config=vision_config, tie_word_embeddings=text_config["tie_word_embeddings"], **ids)


def filled(name, shape, config, seed):
    """One tensor; depends on its name and the seed alone. Every norm weight and bias is random too: a forgotten one must show."""
    g = torch.Generator().manual_seed(seed * 1_000_003 + zlib.crc32(name.encode()))
    x = torch.empty(shape)
    if name.endswith("bias"):
        return x.normal_(0, 0.1, generator=g)
    if len(shape) == 1:
        x.normal_(1, 0.15, generator=g)
    elif "embed_tokens" in name or "pos_embed" in name or "lm_head" in name:
        x.normal_(0, 0.5, generator=g)
    else:
        x.normal_(0, 1.1 / (x[0].numel() ** 0.5), generator=g)
    return with_outliers(name, x, config)


def with_outliers(name, x, config):
    """One early block writes a few loud channels that stay in the residual stream; later norms damp them, later blocks are quieter."""
    if "language_model.layers." not in name:
        return x
    block, hot = int(name.split("layers.")[1].split(".")[0]), list(HOT)
    if block == HOT_BLOCK and name.endswith("down_proj.weight"):
        x[hot] *= HOT_GAIN
    if block > HOT_BLOCK and name.endswith(("o_proj.weight", "down_proj.weight")):
        x *= 0.7
    if block > HOT_BLOCK and name.endswith(("input_layernorm.weight", "post_attention_layernorm.weight")):
        quiet = x[hot] * 0.1
        x *= 1.6
        x[hot] = quiet
    return x


def write(config, out, seed=1, dtype=torch.bfloat16):
    from safetensors.torch import save_file
    from transformers import Qwen3VLForConditionalGeneration

    out = pathlib.Path(out)
    out.mkdir(parents=True)
    with torch.device("meta"):
        model = Qwen3VLForConditionalGeneration(config)
    shapes = {n: p.shape for n, p in model.named_parameters() if not (n == "lm_head.weight" and config.tie_word_embeddings)}
    shards, size = [{}], 0
    for name, shape in shapes.items():
        bytes_of = shape.numel() * dtype.itemsize
        if shards[-1] and size + bytes_of > SHARD_BYTES:
            shards.append({})
            size = 0
        shards[-1][name], size = shape, size + bytes_of
    index = {}
    for i, shard in enumerate(shards, 1):
        file = "model.safetensors" if len(shards) == 1 else f"model-{i:05d}-of-{len(shards):05d}.safetensors"
        save_file({n: filled(n, s, config, seed).to(dtype) for n, s in shard.items()}, out / file, metadata={"format": "pt"})
        (out / file).chmod(0o644)
        index |= dict.fromkeys(shard, file)
    if len(shards) > 1:
        total = sum(s.numel() for s in shapes.values()) * dtype.itemsize
        (out / "model.safetensors.index.json").write_text(json.dumps({"metadata": {"total_size": total}, "weight_map": index}))
    config.dtype = dtype
    config.architectures = ["Qwen3VLForConditionalGeneration"]
    config.save_pretrained(out)
    (out / "preprocessor_config.json").write_text(json.dumps(PROCESSOR, indent=2) + "\n")


def main(argv=None):
    p = argparse.ArgumentParser(prog="qwen3vl.random_model", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out", help="folder to make; must not exist")
    p.add_argument("--config", default="2b", help=f"{', '.join(CONFIGS)}, or a config.json")
    p.add_argument("--seed", type=int, default=1)
    args = p.parse_args(argv)
    if args.config in CONFIGS:
        config = config_of(args.config)
    else:
        from transformers import Qwen3VLConfig

        config = Qwen3VLConfig.from_pretrained(args.config)
    write(config, args.out, args.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())

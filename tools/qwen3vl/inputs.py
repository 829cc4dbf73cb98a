"""What goes in before the weights: the image processor's numbers and the prompt's prefix, refused up front where the graph would not do what they say."""
import math

from .checkpoint import Refused

IMAGE = {"width": 256, "height": 256, "channels": "RGB"}
RESCALE = 1e-9  # how far rescale_factor x 255 may be from 1; the graph divides by 255


def numbers_in(text, option):
    """Comma-separated whole numbers."""
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise Refused(f"expected {option} as whole numbers with commas between, found {text}: write them as 0,3,6") from None


def prefix_from(args, checkpoint):
    if args.prefix_ids is not None:
        if args.prefix_text is not None:
            raise Refused("expected --prefix-ids or --prefix-text, found both: leave one out")
        return checked_prefix(numbers_in(args.prefix_ids, "--prefix-ids"), checkpoint)
    if not (checkpoint.path / "tokenizer.json").exists() and not (checkpoint.path / "vocab.json").exists():
        raise Refused(f"expected a tokenizer in {checkpoint.path} or --prefix-ids, found neither: give the ids of the tokens before the first picture (Qwen3-VL: 151644,872,198)")
    from transformers import AutoTokenizer

    text = "<|im_start|>user\n" if args.prefix_text is None else args.prefix_text
    return checked_prefix(tuple(AutoTokenizer.from_pretrained(checkpoint.path).encode(text, add_special_tokens=False)), checkpoint)


def checked_prefix(ids, checkpoint):
    """A special id in the prefix would be taken for a picture's place, and move every position after it."""
    special = {i: name for name, i in checkpoint.special_ids.items()}
    for i in ids:
        if not 0 <= i < checkpoint.text.vocab:
            raise Refused(f"expected prefix ids from 0 to {checkpoint.text.vocab - 1}, found {i}: give ids of this checkpoint's tokenizer")
        if i in special:
            raise Refused(f"expected a prefix without the special tokens of pictures, found {i} ({special[i]}): leave it out, each picture brings its own")
    return ids


def image_from(checkpoint):
    processor, v = checkpoint.processor_config(), checkpoint.vision
    check_values(processor)
    check_size(processor, v)
    return {**IMAGE, "mean": processor["image_mean"], "std": processor["image_std"], "patch": v.patch, "temporalPatch": v.temporalPatch, "merge": v.spatialMerge, "processor": processor}


def check_values(processor):
    """The graph always does (x / 255 - mean) / std; a step that is not named is on in transformers."""
    for step in ("do_rescale", "do_normalize"):
        if processor.get(step, True) is not True:
            raise Refused(f"expected {step} true in preprocessor_config.json, found {processor[step]}: take the file of the model's release")
    factor = processor.get("rescale_factor", 1 / 255)
    if not (is_number(factor) and abs(factor * 255 - 1) <= RESCALE):
        raise Refused(f"expected rescale_factor 1/255 in preprocessor_config.json, found {factor}: take the file of the model's release")
    for name in ("image_mean", "image_std"):
        found = processor.get(name)
        if not (isinstance(found, list) and len(found) == 3 and all(map(is_number, found))) or (name == "image_std" and min(found) <= 0):
            raise Refused(f"expected three numbers as {name} in preprocessor_config.json, found {found}: take the file of the model's release")


def check_size(processor, v):
    for name, want in (("patch_size", v.patch), ("merge_size", v.spatialMerge), ("temporal_patch_size", v.temporalPatch)):
        if processor.get(name) != want:
            raise Refused(f"expected {name} {want} in preprocessor_config.json as the vision config says, found {processor.get(name)}: take both files of one release")
    area, size = IMAGE["width"] * IMAGE["height"], processor.get("size") or {}
    smallest, largest = (found_in(*pair) for pair in (((size, "shortest_edge"), (processor, "min_pixels")), ((size, "longest_edge"), (processor, "max_pixels"))))
    if not smallest or not largest or max(smallest) > area or min(largest) < area or IMAGE["width"] % (v.patch * v.spatialMerge):
        raise Refused(
            f"expected an image processor that leaves {IMAGE['width']}x{IMAGE['height']} as it is, found shortest_edge or min_pixels {smallest or None}, longest_edge or max_pixels {largest or None} "
            f"around {area}, patch {v.patch}, merge {v.spatialMerge}: take the preprocessor_config.json of the model's release"
        )


def found_in(*places):
    """Both spellings of a bound, where they are given: transformers' versions disagree on which one wins."""
    return [facts[name] for facts, name in places if is_number(facts.get(name))]


def is_number(x):
    return isinstance(x, (int, float)) and not isinstance(x, bool) and math.isfinite(x)

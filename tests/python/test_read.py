#!/usr/bin/env python3
"""Opens a store as a trainer does, with pylance and with lancedb, and holds every column of the step rows against a dump.

    python test_read.py STORE DUMP.json

The dump is what prep's own readers see, keyed by episode: numbers as they are, pictures as sha-256, int64 as text.
Exit status 0 only if every row of the dump was found and equal, and no other valid row is there.
"""
import hashlib, io, json, sys
import lance, lancedb, numpy as np
from PIL import Image
try:
    import xxhash
except ImportError:
    xxhash = None

problems = []


def check(fine, *words):
    if not fine: problems.append(" ".join(str(word) for word in words))


def compare(rows, dump, roles, by):
    for episode, wanted in dump.items():
        mine = sorted((row for row in rows if row["episode"] == episode), key=lambda row: row["step"])
        check([row["step"] for row in mine] == list(range(wanted["steps"])), by, episode, "steps", [row["step"] for row in mine])
        for step, row in enumerate(mine):
            at = (by, episode, step)
            check(str(row["episode_key"]) == wanted["episode_key"], *at, "episode_key")
            check(str(row["group"]) == wanted["group"], *at, "group")
            for name in ("robot", "third"): check(row[name] == wanted[name], *at, name)
            for name in ("time", "instruction", "action_valid", "present", "flags"): check(row[name] == wanted[name][step], *at, name)
            for name in ("action", "history", "proprio", "camera"):
                # JSON has no NaN: null stands for it. The dump holds float32 values exactly.
                expected = np.array([np.nan if x is None else x for x in wanted[name][step]], np.float32)
                check(np.array_equal(np.array(row[name], np.float32), expected, equal_nan=True), *at, name)
            for slot, role in enumerate(roles):
                jpeg = row[f"image_{role}"]
                check(hashlib.sha256(jpeg).hexdigest() == wanted["images"][role][step], *at, role, "bytes")
                check(str(row["image_hash"][slot]) == wanted["image_hash"][step][slot], *at, role, "image_hash")
                check(Image.open(io.BytesIO(jpeg)).size == (256, 256), *at, role, "size")
                if xxhash: check(np.array(xxhash.xxh3_64_intdigest(jpeg), np.uint64).astype(np.int64) == row["image_hash"][slot], *at, role, "xxh3")


def main(store, dump):
    dump = json.load(open(dump)); steps = lance.dataset(f"{store}/droid_steps.lance")
    ledger = lance.dataset(f"{store}/droid_episodes.lance").to_table().to_pylist()
    latest = {row["episode"]: row for row in sorted(ledger, key=lambda row: row["attempt"])}
    valid = {(row["episode_key"], row["group"]) for row in latest.values() if row["state"] == "kept"}
    meta = json.loads(steps.schema.metadata[b"prep"]); roles = list(meta["roles"])
    check(meta["dataset"] == "droid" and meta["chunk"]["steps"] == 32, "metadata", meta)
    columns = {"episode", "step", "episode_key", "group", "time", "robot", "third", "instruction", "action", "action_valid", "history", "proprio", "camera", "image_hash", "present", "flags"}
    check(set(steps.schema.names) == columns | {f"image_{role}" for role in roles}, "columns", steps.schema.names)
    check(not any(field.nullable for field in steps.schema if field.name != "time"), "nullable", steps.schema)
    readers = {"pylance": steps.to_table(), "lancedb": lancedb.connect(store).open_table("droid_steps").to_arrow()}
    for by, table in readers.items():
        rows = [row for row in table.to_pylist() if (row["episode_key"], row["group"]) in valid]
        check(len(rows) == sum(one["steps"] for one in dump.values()), by, len(rows), "rows")
        compare(rows, dump, roles, by)
    for problem in problems[:20]: print("falls short:", problem)
    print(f"{len(problems)} problems, {sum(one['steps'] for one in dump.values())} rows by {' and '.join(readers)}")
    return 1 if problems or not dump else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))

#!/usr/bin/env python3
"""Statistics of a store made again by numpy and scipy from its raw tables, and held against what `prep stats` wrote.

    python test_stats.py STORE STATS.json

Whether the document is a plan's, and how rows are made alike, is read from the store; every formula is from the conventions.
Exit status 0 only if something was compared and nothing fell short.
"""
import json, sys
import lance, numpy as np
from scipy.spatial.transform import Rotation

RELATIVE, ABSOLUTE = 2.0**-9, 2.0**-19
ROLES = ["third", "third2", "wrist", "wrist2"]
problems, compared = [], 0


def table(store, name, **how): return lance.dataset(f"{store}/{name}.lance").to_table(**how)


def matrices(six, layout):
    a, b = six[..., :3], six[..., 3:]
    m = np.stack([a, b, np.cross(a, b)], -2)
    flat = Rotation.from_matrix((m if layout == "rows" else np.swapaxes(m, -1, -2)).reshape(-1, 3, 3)).as_matrix()
    return flat.reshape(*six.shape[:-1], 3, 3)


def sixes(m, layout): return (m[..., :2, :] if layout == "rows" else np.swapaxes(m[..., :, :2], -1, -2)).reshape(*m.shape[:-2], 6)


def alike(rows, meta, to):
    """action [n, A, T, 10], history [n, A, 10], proprio [n, A, 10] in float64, with masks of the same leading shapes."""
    a, h, p = (rows[name].astype(np.float64) for name in ("action", "history", "proprio"))
    n, arms, steps, _ = a.shape
    arm = np.stack([(rows["present"] >> (16 + i)) & 1 for i in range(arms)], 1).astype(bool)
    valid = rows["action_valid"].copy(); past = ((rows["present"] >> 20) & 1).astype(bool)
    if to:
        absent = ~arm
        for x in (a, h, p): x[absent, ..., 3:9] = np.eye(3)[:2].reshape(6)  # not a rotation: zeros
        motions = np.concatenate([a, h[:, :, None]], 2)
        t, r = motions[..., :3], matrices(motions[..., 3:9], meta["rot6d"])
        q, s = p[..., :3], matrices(p[..., 3:9], meta["rot6d"])
        tool = meta["robots"][rows["robot"]]["eeFromTool"]
        if meta["tool"] == "native" and to["tool"] == "canonical" and tool:
            tool = np.array(tool).reshape(4, 4)
            lever = s @ tool[:3, 3]
            t = t + np.einsum("naTij,naj->naTi", r - np.eye(3), lever)
            q, s = q + lever, s @ tool[:3, :3]
        if meta["reference"] != to["reference"]:
            roles = [role for role in ROLES if role in meta["roles"]]
            def pose(role):
                m = np.full((n, 3, 4), np.nan)
                if role in roles:
                    seen = ((rows["present"] >> (4 * ROLES.index(role) + 2)) & 1).astype(bool)
                    m[seen] = rows["camera"].reshape(n, len(roles), 16)[seen, roles.index(role), 4:].reshape(-1, 3, 4)
                return m[:, :, :3], m[:, :, 3]
            (old, at), (new, to_) = pose(meta["reference"]), pose(to["reference"])
            turn = np.swapaxes(new, 1, 2) @ old
            t = np.einsum("nij,naTj->naTi", turn, t); r = np.einsum("nij,naTjk,nlk->naTil", turn, r, turn)
            q = np.einsum("nji,naj->nai", new, np.einsum("nij,naj->nai", old, q) + (at - to_)[:, None]); s = turn[:, None] @ s
            known = np.isfinite(turn).all((1, 2)); valid[~known] = 0; past &= known
        motions = np.concatenate([t, sixes(r, to["rot6d"]), motions[..., 9:]], -1)
        a, h = motions[:, :, :-1], motions[:, :, -1]
        p = np.concatenate([q, sixes(s, to["rot6d"]), p[..., 9:]], -1)
    inside = np.arange(steps)[None, None] < valid[:, None, None]
    return {"action": (a, arm[:, :, None] & inside), "history": (h[:, :, None], (arm & past[:, None])[:, :, None]), "proprio": (p[:, :, None], arm[:, :, None])}


def episodes(store, dataset):
    """episode_key → its rows, for the newest attempt of it; and the keys that are kept now."""
    ledger = table(store, f"{dataset}_episodes", columns=["episode", "episode_key", "group", "attempt", "state", "robot", "rows"]).to_pylist()
    newest, latest = {}, {}
    for row in sorted(ledger, key=lambda row: row["attempt"]): newest[row["episode_key"]] = latest[row["episode"]] = row
    steps = lance.dataset(f"{store}/{dataset}_steps.lance"); meta = json.loads(steps.schema.metadata[b"prep"])
    names = ["episode_key", "group", "step", "present", "action_valid"]
    found = steps.to_table(columns=names + ["action", "history", "proprio", "camera"])
    column = {name: found[name].to_numpy() for name in names}
    arms, chunk = len(meta["arms"]), meta["chunk"]["steps"]
    wide = lambda name: found[name].combine_chunks().values.to_numpy(zero_copy_only=False).reshape(found.num_rows, -1)
    action, history, proprio, camera = wide("action").reshape(-1, arms, chunk, 10), wide("history").reshape(-1, arms, 10), wide("proprio").reshape(-1, arms, 10), wide("camera")
    def rows(key):
        row = newest[key]
        mine = np.flatnonzero((column["episode_key"] == key) & (column["group"] == row["group"]))
        mine = mine[np.argsort(column["step"][mine])]
        assert list(column["step"][mine]) == list(range(row["rows"])), key
        return {"robot": row["robot"], "present": column["present"][mine], "action_valid": column["action_valid"][mine], "action": action[mine], "history": history[mine], "proprio": proprio[mine], "camera": camera[mine]}
    return meta, rows, [row["episode_key"] for row in latest.values() if row["state"] == "kept"]


def entries(store, document):
    """(name, dataset, weight, {episode_key: steps or None}), and what rows are made alike to."""
    if document["plan"] is None: return None, None
    rows = [row for row in table(store, "plans").to_pylist() if row["plan"] == document["plan"]]
    last = max(rows, key=lambda row: row["segment"]); segment = json.loads(last["segment_json"])
    live = {row["domain_attempt"] for row in rows}
    domain = [row for row in table(store, f"plan_{document['plan']}_domain").to_pylist() if row["attempt"] in live]
    out = []
    for entry in segment["entries"]:
        ids, steps = {one["domain"] for one in entry["after"]}, {}
        for row in domain:
            if row["domain"] in ids: steps.setdefault(row["episode_key"], set()).update(range(row["start"], row["end"]))
        out.append((entry["name"], entry["dataset"], entry["weight"], steps))
    return out, json.loads(last["harmony_json"])


def check(where, found, values, mask, weights, slack):
    """One vector of ten: values [n, 10], mask [n], weights [n]; slack for what float32 keeps of numbers that were changed."""
    global compared
    for d in range(10):
        use = mask & np.isfinite(values[:, d])
        x, w = values[use, d], weights[use]
        at = (*where, d)
        if found["count"][d] != len(x): problems.append((*at, "count", found["count"][d], len(x))); continue
        if len(x) == 0:
            if any(found[name][d] is not None for name in ("mean", "std", "min", "max", "q01", "q99")): problems.append((*at, "numbers of nothing"))
            continue
        mean = np.average(x, weights=w); std = np.sqrt(np.average((x - mean) ** 2, weights=w))
        def near(name, value, room):
            global compared; compared += 1
            if not abs(found[name][d] - value) <= room: problems.append((*at, name, found[name][d], value))
        near("mean", mean, 1e-6 * max(abs(mean), std) + slack)
        near("std", std, 1e-6 * std + slack)
        near("min", x.min(), slack * max(1, abs(x.min()))); near("max", x.max(), slack * max(1, abs(x.max())))
        for name, share in (("q01", 0.01), ("q99", 0.99)):
            # Where the share falls on an edge between two values, rounding of the weights decides.
            low, high = np.quantile(x, [share - 1e-9, share + 1e-9], method="inverted_cdf", weights=w)
            room = max(ABSOLUTE, RELATIVE * max(abs(low), abs(high))) + 2 * slack
            compared += 1
            if not low - room <= found[name][d] <= high + room: problems.append((*at, name, found[name][d], low, high))


def main(store, file):
    document = json.load(open(file)); planned, harmony = entries(store, document)
    names = sorted({dataset for _, dataset, *_ in planned}) if planned else sorted(one["dataset"] for one in document["entries"].values())
    opened = {name: episodes(store, name) for name in names}
    planned = planned or [(name, name, None, {key: None for key in opened[name][2]}) for name in names]
    groups, slack = [], 2e-7 if harmony else 1e-12
    for name, dataset, weight, keys in planned:
        meta, rows, _ = opened[dataset]; total = 0; mine = []
        for key, steps in keys.items():
            row = rows(key); take = np.arange(len(row["present"])) if steps is None else np.array(sorted(steps))
            if len(take) == 0: continue
            total += len(take)
            mine.append((row["robot"], {what: x[take] if isinstance(x, np.ndarray) else x for what, x in row.items()}))
        said = document["entries"][name]
        if (said["rows"], said["episodes"], said["weight"]) != (total, len(mine), weight): problems.append((name, said["rows"], said["episodes"], total, len(mine)))
        for robot, row in mine: groups.append({"entry": name, "dataset": dataset, "robot": robot, "weight": 1.0 if weight is None else weight / total, **alike(row, meta, harmony)})
    scopes = [(("entry", name), document["entries"][name], [g for g in groups if g["entry"] == name]) for name in document["entries"]]
    scopes += [((what, name), document[what + "s"][name], [g for g in groups if g[what] == name]) for what in ("dataset", "robot") for name in document[what + "s"]]
    if document["mixture"]: scopes.append((("mixture",), document["mixture"], groups))
    for where, said, mine in scopes:
        slots = [(None, said)] + list(enumerate(said.get("arms", [])))
        for slot, one in slots:
            for signal in ("action", "history", "proprio"):
                parts = [(g["weight"], *(x if slot is None else x[:, slot : slot + 1] for x in g[signal])) for g in mine]
                steps = max(values.shape[2] for _, values, _ in parts)
                def of(chunk):
                    values = np.concatenate([v[:, :, chunk].reshape(-1, 10) for _, v, _ in parts]); mask = np.concatenate([m[:, :, chunk].reshape(-1) for _, _, m in parts])
                    return values, mask, np.concatenate([np.full(m[:, :, chunk].size, w) for w, _, m in parts])
                check((*where, slot, signal), one[signal]["overall"], *of(slice(None)), slack)
                if signal == "action":
                    if len(one[signal]["steps"]) != steps: problems.append((*where, slot, "chunk steps"))
                    for k in range(steps): check((*where, slot, signal, k), one[signal]["steps"][k], *of(slice(k, k + 1)), slack)
    for problem in problems[:20]: print("falls short:", *problem)
    print(f"{len(problems)} problems, {compared} numbers of {len(groups)} episodes")
    return 1 if problems or compared == 0 else 0


if __name__ == "__main__": sys.exit(main(*sys.argv[1:3]))

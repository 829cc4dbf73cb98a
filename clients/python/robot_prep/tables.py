"""Lance tables of a store, opened on first use, once per process."""
from __future__ import annotations

import json
import os

import lance

from .errors import PrepError, fault

#: Rows of one `take`. Larger ones cost twice the CPU per row, for the memory of their pages.
TAKE_ROWS = 256
#: Tables of features that stay open: a plan's set has one per part and views, thousands of them.
OPEN_FEATURES = 256


class Tables:
    """``store``: a folder or an object store's prefix, as `prep --store` takes it."""

    def __init__(self, store: str, storage_options: dict | None = None):
        self.store = str(store).rstrip("/")
        self.storage_options = storage_options
        self._open: dict = {}
        self._pid = None

    def __getstate__(self) -> dict:
        return {"store": self.store, "storage_options": self.storage_options, "_open": {}, "_pid": None}

    def open(self, name: str):
        """The table, or None where the store has none of that name."""
        self.same_process()
        features = name.startswith("features_")
        # Out and in again: the last ones are those used last. Each step is one of dict's own, so that threads need no lock.
        found = self._open.pop(name, None) if features else self._open.get(name)
        if found is None:
            try:
                found = lance.dataset(f"{self.store}/{name}.lance", storage_options=self.storage_options)
            except (ValueError, FileNotFoundError) as error:
                if not gone(error):
                    raise
                return None
            if features:
                self._forget_features(OPEN_FEATURES - 1)
        self._open[name] = found
        return found

    def _forget_features(self, kept: int) -> None:
        there = [one for one in list(self._open) if one.startswith("features_")]
        for one in there[: max(0, len(there) - kept)]:
            self._open.pop(one, None)

    def need(self, name: str, what: str, remedy: str, code: str = "unknown-dataset"):
        table = self.open(name)
        if table is None:
            raise fault(code, self.store, f"{what} (table {name})", "no such table", remedy)
        return table

    def metadata(self, name: str) -> dict:
        """The JSON object under the schema's key `prep`."""
        table = self.need(name, "a table of prep", "ingest it again")
        raw = (table.schema.metadata or {}).get(b"prep")
        if raw is None:
            raise fault("bad-metadata", name, "schema metadata `prep`", "none", "it is not a table of prep")
        return json.loads(raw)

    def same_process(self) -> None:
        """Raises in a process that was forked after a table was opened."""
        pid = os.getpid()
        if self._pid not in (None, pid):
            raise PrepError(
                "bad-option: Lance was opened before this process was forked, and its threads did not come along; "
                'start workers with multiprocessing_context="spawn" (PrepDataset.loader does)'
            )
        self._pid = pid


def gone(error: Exception) -> bool:
    """Whether a table or its files are not there. Lance has no kind of error of its own for it; anything else is not absence."""
    text = str(error).lower()
    return "not found" in text or "no such file" in text

"""Lance tables of a store, opened on first use, once per process."""
from __future__ import annotations

import json
import os

import lance

from .errors import PrepError, fault

#: Rows of one `take`. Larger ones cost twice the CPU per row, for the memory of their pages.
TAKE_ROWS = 256


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
        if name not in self._open:
            try:
                self._open[name] = lance.dataset(f"{self.store}/{name}.lance", storage_options=self.storage_options)
            except (ValueError, FileNotFoundError) as error:
                # Lance has no kind of error of its own for it. Anything else is not absence.
                if "not found" not in str(error).lower():
                    raise
                return None
        return self._open[name]

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

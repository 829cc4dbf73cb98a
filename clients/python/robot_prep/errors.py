"""One kind of error: what was expected, what was found, what to do."""
from __future__ import annotations


class PrepError(Exception):
    """``code`` is one of the codes of prep's TypeScript side. Takes a single text, so that it crosses processes unchanged."""

    def __init__(self, message: str, code: str = ""):
        super().__init__(message)
        self.code = code or message.split(":", 1)[0]


def fault(code: str, at: str, expected: str, found: str, remedy: str = "") -> PrepError:
    """An error whose text says everything."""
    return PrepError(f"{code}: {at}: expected {expected}, found {found}" + (f"; {remedy}" if remedy else ""), code)

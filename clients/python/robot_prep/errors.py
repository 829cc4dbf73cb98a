"""One kind of error: what was expected, what was found, what to do."""
from __future__ import annotations

import re


class PrepError(Exception):
    """``code`` is one of the codes of prep's TypeScript side. Takes a single text, so that it crosses processes unchanged."""

    def __init__(self, message: str, code: str = ""):
        super().__init__(message)
        self.code = code or _code_of(message)


def _code_of(message: str) -> str:
    """A text of ours begins with its code; PyTorch raises a worker's error anew, with the traceback as its text."""
    if not re.match("[a-z]+(-[a-z]+)*:", message):
        codes = re.findall(r"^\S*PrepError: ([a-z-]+):", message, re.MULTILINE)
        if codes:
            return codes[-1]
    return message.split(":", 1)[0]


def fault(code: str, at: str, expected: str, found: str, remedy: str = "") -> PrepError:
    """An error whose text says everything."""
    return PrepError(f"{code}: {at}: expected {expected}, found {found}" + (f"; {remedy}" if remedy else ""), code)

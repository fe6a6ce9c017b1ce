"""Why an exporter gave up, in one line: torch wraps what happened in several errors, and the innermost one says it."""

from __future__ import annotations

LONGEST = 300


def reason(error: BaseException) -> str:
    """The kind and the first line of the error behind `error`."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {str(error).strip()}".partition("\n")[0][:LONGEST]

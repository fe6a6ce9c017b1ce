"""The server's own account of a request: the stages in its `Server-Timing` header."""

from __future__ import annotations

STAGES = ("parse", "decode", "queue", "infer", "encode", "total", "read")  # columns of stored rows: new ones at the end


def parse_server_timing(header: str) -> dict[str, float]:
    """Stage name to milliseconds; entries without a readable `dur` are left out.

    >>> parse_server_timing("decode;dur=0.12, infer;desc=model;dur=1.5")
    {'decode': 0.12, 'infer': 1.5}
    """
    stages = {}
    for entry in header.split(","):
        name, *parameters = (part.strip() for part in entry.split(";"))
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "dur":
                try:
                    stages[name] = float(value)
                except ValueError:
                    continue
    return stages

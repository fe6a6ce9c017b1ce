"""What several generators wrote down, as one load: rows by intended start, and the account of the busiest of them.

Rows are merged and not percentiles, so every figure is exactly what one generator would have found. Each counts from
its own beginning; that two of them began some milliseconds apart changes nothing about a Poisson stream.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from benchmarks.load.rows import Rows


@dataclass(frozen=True)
class Part:
    """One generator's share of a load."""

    rows: Rows
    account: dict[str, Any]


def pack(rows: Rows) -> bytes:
    """Rows for the wire."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{field.name: getattr(rows, field.name) for field in fields(Rows)})
    return buffer.getvalue()


def unpack(packed: bytes) -> Rows:
    """What `pack` packed."""
    with np.load(io.BytesIO(packed), allow_pickle=False) as stored:
        return Rows(*(stored[field.name] for field in fields(Rows)))


def merge(parts: Sequence[Part], *, expected: int) -> Part:
    """The whole load, of which `expected` parts were sent out; the account names every generator."""
    if not parts:
        raise ValueError("no generator has sent its rows")
    columns = {field.name: np.concatenate([getattr(part.rows, field.name) for part in parts]) for field in fields(Rows)}
    rows = Rows(**columns)
    problems: Counter[str] = Counter()
    for part in parts:
        problems.update(part.account["problems"])
    busiest = max((part.account for part in parts), key=lambda account: float(np.mean(account["cpu"] or [0])))
    latest = max(part.account["finished_at"] for part in parts)
    workers = [
        {"machine": part.account.get("machine"), "requests": len(part.rows), "cores": part.account.get("cores"),
         "cpu": round(float(np.mean(part.account["cpu"])), 3) if part.account["cpu"] else None,
         "lag_p99_us": float(np.percentile(part.rows.lag_us, 99)) if len(part.rows) else None}
        for part in parts
    ]
    account = {**busiest, "problems": dict(problems), "finished_at": latest, "workers": workers,
               "workers_lost": expected - len(parts)}
    return Part(rows.where(np.argsort(rows.intended, kind="stable").astype(np.intp)), account)

"""How much of a late answer the generator's own lateness can explain, at most.

Latency counts from the intended start, so a generator that is late makes answers look later than they would have been.
Not by any amount: where requests are served in the order of their coming, to send each of a queue by at most L later
ends each of them by at most L later (departures of a FIFO queue are monotone in its arrivals, and shifting them all
shifts all). An answer that is later than the limit by more than L would have missed it anyway, and a rate that was kept
would have been kept all the more. Nothing is carried over a moment at which no request is under way.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.load.rows import DROPPED, Rows


def excused_us(rows: Rows) -> NDArray[np.int64]:
    """Per row of an open load, warm-up included: the most by which the generator may have made its answer late, in us.

    That is the largest send lag among the requests of the same busy period, and of the one sent next after it, which
    tells of a stall while the last answers were to be read.
    """
    excused = np.zeros(len(rows), np.int64)
    going = np.flatnonzero(rows.outcome != DROPPED)
    if not len(going):
        return excused
    order = going[np.argsort(rows.sent[going], kind="stable")]
    sent, busy_until = rows.sent[order], np.maximum.accumulate(rows.done[order])
    begins = np.flatnonzero(np.concatenate([[True], sent[1:] > busy_until[:-1]]))
    lag = rows.lag_us[order]
    worst = np.maximum.reduceat(lag, begins)
    worst[:-1] = np.maximum(worst[:-1], lag[begins[1:]])
    excused[order] = np.repeat(np.maximum(worst, 0), np.diff([*begins, len(order)]))
    return excused

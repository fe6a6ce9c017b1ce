"""Dropout on a CPU without one random number per value, which there takes longer than the layer that it follows.

    with ByteDropout():
        loss(network(images)).backward()

    layer.py      which values are kept, and the two functions that drop
    native.py     the same bits in one pass over memory, where there is a C compiler
"""

from __future__ import annotations

from training.dropout.layer import ByteDropout, rectify_and_drop

__all__ = ["ByteDropout", "rectify_and_drop"]

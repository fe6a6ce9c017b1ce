"""The prediction in an answer of Weighbridge's own form: `{"predictions": [{"index": 9}]}`."""

from __future__ import annotations

import json

from benchmarks.load.wire import Reply


def read(reply: Reply) -> int:
    """The class of the one image that was sent; ValueError, TypeError or LookupError where there is none."""
    return int(json.loads(reply.body)["predictions"][0]["index"])

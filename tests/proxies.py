"""Which tests can be run where nginx is not installed."""

from __future__ import annotations

import pytest

from benchmarks.rolling.proxy import find_nginx


def _missing() -> str | None:
    try:
        find_nginx()
    except RuntimeError as error:
        return str(error)
    return None


WHY = _missing()
needs_nginx = pytest.mark.skipif(WHY is not None, reason=str(WHY))

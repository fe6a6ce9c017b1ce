"""A failure that repeats is one line in the log, and a new one is another."""

from __future__ import annotations

import logging

import pytest

from service.trouble import Trouble


def test_only_what_changes_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    trouble = Trouble("looking at the models")
    full, gone = OSError(24, "Too many open files"), FileNotFoundError(2, "No such file or directory")

    with caplog.at_level(logging.WARNING, "weighbridge"):
        trouble.over()
        for error in (full, full, full, gone, gone, full):
            trouble.tell(error)
        trouble.over()
        trouble.over()

    assert [record.getMessage().partition(": ")[0] for record in caplog.records] == [
        *["looking at the models fails, and is tried again"] * 3, "looking at the models works again",
    ]
    assert all(record.exc_info for record in caplog.records[:3])

"""Something that is tried again and again and fails: logged when it begins, changes and ends, and not every time."""

from __future__ import annotations

import logging

logger = logging.getLogger("weighbridge")


class Trouble:
    """With `what`, said as in "looking at the models"."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._told = ""

    def tell(self, error: Exception) -> None:
        """It failed, and will be tried again. Where the error is the last one once more, nothing is logged."""
        found = f"{type(error).__name__}: {error}"
        if found != self._told:
            self._told = found
            logger.error("%s fails, and is tried again: %s", self._what, found, exc_info=error)

    def over(self) -> None:
        """It worked."""
        if self._told:
            self._told = ""
            logger.warning("%s works again", self._what)

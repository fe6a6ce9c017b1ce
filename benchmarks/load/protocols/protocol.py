"""Which protocol a load speaks, and what it needs to know for it. Stored beside the bodies; a folder from before this
existed has none and speaks Weighbridge's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Protocol:
    """How the server is spoken to, beyond the bytes of a body. An API key is never part of it: it is not stored."""

    name: str = "weighbridge"
    headers: Mapping[str, str] = field(default_factory=dict)  # of every request, beside type and length of its body
    output: str | None = None                                 # oip: the tensor that holds the classes; None: the first
    classes: int | None = None                                # oip: values that it has; None: unknown

    def stored(self) -> str:
        """As text."""
        return json.dumps(asdict(self))

    @classmethod
    def restored(cls, text: str) -> Protocol:
        """Read what `stored` gave."""
        return cls(**json.loads(text))


WEIGHBRIDGE = Protocol()

"""What the documents show at a console, for the tests that type it."""

from __future__ import annotations

import re


def examples(text: str) -> list[tuple[str, str]]:
    """(command, what is promised of its answer) of every console block, in order; `\\` continues a command."""
    found: list[tuple[str, str]] = []
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for line in block.replace("\\\n", "").splitlines():
            if line.startswith("$ "):
                found.append((line[2:], ""))
            else:
                command, promised = found.pop()
                found.append((command, promised + line))
    return found

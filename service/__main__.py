"""Questions about the service that need no server:

    python -m service settings    every environment variable, as the table of the README
"""

from __future__ import annotations

import sys

from service.settings import table


def main(arguments: list[str]) -> int:
    """Answer one question; 2 for one that is not known."""
    if arguments != ["settings"]:
        print(__doc__, file=sys.stderr)
        return 2
    print(table())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

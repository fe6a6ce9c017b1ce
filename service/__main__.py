"""Ask a running server; each of these has --help:

    python -m service predict image.png …        classify files, globs, or what is piped in
    python -m service evaluate                   score a model on labelled images
    python -m service models                     which models there are

Questions about the service that need no server:

    python -m service settings                   every environment variable, as the table of docs/settings.md
    python -m service keys add NAME [FILE]       make an API key, print it once, store its hash
    python -m service keys list [FILE]           whose keys there are
    python -m service keys remove NAME [FILE]    refuse a key from now on
    python -m service tune [MODEL…]              which settings of ONNX Runtime are quicker here; kept where clearly so
    python -m service cascade SMALL LARGE SPLIT  what a cascade of two models would do, per threshold

FILE is that of WEIGHBRIDGE_API_KEYS unless it is given.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from service import tuning
from service.keys import add_key, read_keys, remove_key
from service.settings import SettingError, Settings, table
from service.thresholds import cascade_table


def main(arguments: list[str]) -> int:
    """Answer one question; 2 for one that is not known, 1 for what cannot be done. `command` has codes of its own."""
    try:
        match arguments:
            case ["predict" | "evaluate" | "models", *_]:
                from service.client import command  # its libraries are not needed for the rest

                return command.main(arguments)
            case ["settings"]:
                print(table(), flush=True)
            case ["keys", "add", name, *file] if len(file) < 2:
                key = add_key(_keys(file), name)
                print(f"the key of {name}, which is stored nowhere:", file=sys.stderr)
                print(key)
            case ["keys", "list", *file] if len(file) < 2:
                print("\n".join(sorted(read_keys(_keys(file)))))
            case ["keys", "remove", name, *file] if len(file) < 2:
                remove_key(_keys(file), name)
            case ["tune", *rest]:
                tuning.main(rest)
            case ["cascade", small, large, split]:
                print(cascade_table(small, large, split, Settings.read()))
            case ["-h" | "--help", *_] | [_, "-h" | "--help"]:
                print(__doc__)
            case _:
                print(__doc__, file=sys.stderr)
                if arguments:
                    print(f"error: {' '.join(arguments)!r} is none of these", file=sys.stderr)
                return 2
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _keys(file: list[str]) -> Path:
    path = Path(file[0]) if file else Settings.read().api_keys
    if path is None:
        raise SettingError("which file? Name it, or set WEIGHBRIDGE_API_KEYS")
    return path


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A network of your own: `module:function` of a file that Python finds, called as function((c, h, w), classes).

The name in a recipe ends in a digest of the module's file, `mynet:build@1a2b3c4d`, because the name alone would let the
file change between two runs, or between a run and its export, unnoticed. Files that the module itself imports are not
looked at.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def pin(name: str) -> str:
    """`module:function` with the digest of the module's file; ValueError when it cannot be found."""
    module, separator, function = name.partition(":")
    if not (separator and function.isidentifier() and all(part.isidentifier() for part in module.split("."))):
        raise ValueError(f"--network {name!r}: say module:function, e.g. mynet:build for build() in mynet.py")
    return f"{name}@{_digest(module)}"


def called(pinned: str) -> Callable[..., nn.Module]:
    """The function behind `module:function@digest`, checked to be the one that was meant, and to give a module."""
    name, _, digest = pinned.partition("@")
    module, _, attribute = name.partition(":")
    if _digest(module) != digest:
        raise ValueError(f"{module}.py has changed since {pinned} was trained; restore that version, or train anew")
    try:
        function = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"--network {name}: {error}") from error
    except Exception as error:  # whatever is in the file
        raise ValueError(f"--network {name}: {module} cannot be imported: {_told(error)}") from error

    def build(image: tuple[int, int, int], classes: int, **shape: object) -> nn.Module:
        from torch import nn

        how = f"it is called as {attribute}((channels, height, width), classes), here {attribute}({image}, {classes})"
        try:
            network = function(image, classes, **shape)
        except Exception as error:  # whatever is in the function
            raise ValueError(f"--network {name}: raised {_told(error)}; {how}") from error
        if not isinstance(network, nn.Module):
            raise ValueError(f"--network {name}: returned {type(network).__name__}, and not a torch.nn.Module; {how}")
        return network

    return build


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]


def _digest(module: str) -> str:
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        raise ValueError(f"--network: Python finds no module {module!r}; put the folder of {module}.py into PYTHONPATH")
    return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()[:8]

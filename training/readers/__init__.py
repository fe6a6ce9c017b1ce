"""One reader per file format. Each has `read(place, split, classes)`: the arrays, or None when they are not there.

A reader raises ValueError naming the file when what it finds is damaged. None is not an error: the data set may lie
somewhere else.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Arrays: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.int64]]  # images (N, H, W, C), labels (N,)

"""Memory that a step frees is kept for the next one, which wants the same again.

glibc gives what is larger than 32 MB, or free at the end of its heap, back to the kernel at once; the next step gets
it anew, page by page and filled with zeros. That was half a second of system time in a step of 1.9 (`training/LOG.md`).
"""

from __future__ import annotations

import ctypes

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # as malloc.h counts them
NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Tell this process's C library, once and for all; False where it is another one than glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(MMAP_MAX, 0)) and bool(mallopt(TRIM_THRESHOLD, NEVER))

"""A step gets the memory of the one before without the kernel's help."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

PAGE_FAULTS_OF_THE_SECOND_TENSOR = """
import ctypes, resource, sys
from training.memory import keep_freed_memory
c = ctypes.CDLL(None)
c.malloc.restype, c.malloc.argtypes, c.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
if sys.argv[1] == "kept":
    assert keep_freed_memory()
def one_tensor():
    place = c.malloc(1 << 26)
    ctypes.memset(place, 1, 1 << 26)
    c.free(place)
one_tensor()
before = resource.getrusage(resource.RUSAGE_SELF)
one_tensor()
after = resource.getrusage(resource.RUSAGE_SELF)
print(after.ru_minflt - before.ru_minflt)
"""


def page_faults(how: str) -> int:
    command = [sys.executable, "-c", PAGE_FAULTS_OF_THE_SECOND_TENSOR, how]
    done = subprocess.run(command, capture_output=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="another C library than glibc")
def test_64_megabytes_are_used_again_without_a_page_fault() -> None:
    usual, kept = page_faults("usual"), page_faults("kept")

    assert kept == 0
    assert usual > 0, "this machine's C library keeps memory anyway: the test shows nothing"

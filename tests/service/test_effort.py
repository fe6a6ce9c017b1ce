"""What is guessed to be quick is: no bytes may make the event loop wait."""

from __future__ import annotations

import base64
import struct
import time
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import encoded, grey, rgb, run_length

from service.card import InputSpec
from service.effort import LONG_S, expected_s
from service.images import decode
from service.ingress import expected_s as expected_of_all
from service.problems import Problem

SPEC = InputSpec(height=28, width=28, channels=1)
INLINE_S = 0.0005
PNG, JPEG, BMP = (encoded(grey(28, 28), kind) for kind in ("PNG", "JPEG", "BMP"))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunk(kind: bytes, data: bytes, at: int = 33, file: bytes = PNG) -> bytes:
    return file[:at] + chunk(kind, data) + file[at:]


def of_size(width: int, height: int) -> bytes:
    """A JPEG that says it is larger than it is."""
    place = JPEG.index(b"\xff\xc0") + 5
    return JPEG[:place] + struct.pack(">HH", height, width) + JPEG[place + 4 :]


def of_two_headers() -> bytes:
    """A PNG of 25 million pixels whose first header says one, and ends with what looks like the end of the file."""
    first, second = (struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0) for side in (1, 5000))
    first += bytes(4) + struct.pack(">I4s", 0, b"IEND")
    pixels = zlib.compress(bytes((1 + 5000 // 8) * 5000), 9)
    return PNG[:8] + b"".join(
        chunk(*each) for each in ((b"IHDR", first), (b"IHDR", second), (b"IDAT", pixels), (b"IEND", b"")))


@pytest.mark.parametrize("file", [
    PNG, JPEG, BMP, encoded(rgb(32, 32)), encoded(rgb(32, 32), "JPEG"), encoded(grey(28, 28), "JPEG", comment=b"x"),
    with_chunk(b"tEXt", b"Software\0a program"), encoded(grey(28, 28).astype(np.uint16)),
])
def test_what_most_clients_send_is_quick(file: bytes) -> None:
    assert expected_s(file) < INLINE_S
    assert expected_of_all([base64.b64encode(file).decode()], len(file)) < INLINE_S


@pytest.mark.parametrize("file", [
    with_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(1_000_000), 9)),                # unpacks to a thousandfold
    with_chunk(b"iTXt", b"k\0\1\0\0\0" + zlib.compress(bytes(1_000_000), 9), len(PNG) - 12),  # also behind the pixels
    with_chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(1_000_000), 9)),
    with_chunk(b"tEXt", b"k\0v", 8),                                                    # the header is not the first
    with_chunk(b"IHDR", struct.pack(">IIBBBBB", 5000, 5000, 8, 0, 0, 0, 0)),            # nor the only one
    of_two_headers(),                                                                   # nor of 13 bytes
    PNG[:33] + chunk(b"tEXt", b"k\0v") * 100 + PNG[33:],
    with_chunk(b"tRNS", bytes(2), file=encoded(grey(28, 28).astype(np.uint16))),        # read twice
    encoded(grey(5000, 4000)), of_size(5000, 5000), encoded(grey(28, 28), "JPEG", progressive=True),
    JPEG[:-2] + JPEG[JPEG.index(b"\xff\xda") :], encoded(grey(28, 28), "WEBP"), encoded(grey(3000, 3000), "BMP"),
])
def test_what_may_take_long_is_not_expected_to_be_quick(file: bytes) -> None:
    assert expected_s(file) > 0.1
    assert expected_of_all([base64.b64encode(file).decode()], len(file)) > 0.1


def test_lists_cost_what_their_body_may_hold() -> None:
    assert expected_of_all([[[0] * 28] * 28], 2500) < INLINE_S
    assert expected_of_all([[0]], 30_000_000) > 0.1
    assert expected_of_all([None, [[]]], 10) < INLINE_S


@given(st.sampled_from([PNG, JPEG, BMP]), st.data())
def test_a_guess_is_made_of_any_bytes(sample: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(sample)))
    damaged = sample[:place] + data.draw(st.binary(max_size=8)) + sample[place + data.draw(st.integers(0, 8)) :]

    assert 0 < expected_s(damaged) <= max(LONG_S, 20e-9 * 2**64 + 1)


@pytest.mark.parametrize(("file", "said"), [
    (run_length(24_999, 1000), "run-length encoded"), (JPEG[:-2] + JPEG[-2:] * 2 + b"\xff\xda" * 65, "66 scans"),
])
def test_the_files_that_keep_a_decoder_busy_for_minutes_are_refused(file: bytes, said: str) -> None:
    began = time.process_time()

    with pytest.raises(Problem, match=said):
        decode(file, SPEC, max_pixels=25_000_000, resize="fit")

    assert time.process_time() - began < 1  # seconds of this process alone; decoded, it would be nine and more

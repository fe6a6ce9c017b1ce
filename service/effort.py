"""How long decoding an image will take, in seconds: told by the structure of the whole file, never by its length alone.

What is expected to be quick runs on the event loop, so a guess must not be low for any bytes that somebody can make up.
Only the plainest files are guessed at: PNGs whose first chunk is the header and whose chunks hold nothing compressed
but pixels, JPEGs of one scan with their size near the front, and BMPs. Everything else is expected to take long.
"""

from __future__ import annotations

import struct

LONG_S = 1.0
FIXED_S, PIXEL_S, BYTE_S = 60e-6, 20e-9, 1e-9
MOST_PARTS = 32  # chunks or segments that are looked at
# Text and profiles that are compressed may unpack to a thousand times their size, and animations to many pictures.
PLAIN_CHUNKS = frozenset(
    (b"IDAT", b"IEND", b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"sBIT", b"bKGD", b"tIME", b"tEXt")
)
PNG_HEADER = b"\0\0\0\rIHDR"  # of 13 bytes: Pillow reads on behind a longer one, whose tail may look like chunks
PLAIN_SEGMENTS = frozenset((0xE0, 0xDB, 0xC4, 0xDD, 0xFE))  # JFIF, tables, restart interval, comment
BASELINE = (0xC0, 0xC1)  # frames of a JPEG that are not sent in many passes
SCAN = b"\xff\xda"       # cannot occur among a JPEG's compressed pixels


def expected_s(data: bytes | bytearray) -> float:
    """Seconds that `images.decode` will take for a whole file, at most; LONG_S where nobody knows."""
    try:
        pixels = _pixels(data)
    except struct.error:  # it ends before its size is told: refusing that is quick
        return FIXED_S
    return LONG_S if pixels is None else FIXED_S + PIXEL_S * pixels + BYTE_S * len(data)


def _pixels(data: bytes | bytearray) -> int | None:
    if data[1:4] == b"PNG":
        return _png(data)
    if data[:2] == b"\xff\xd8":
        return _jpeg(data)
    return _bmp(data) if data[:2] == b"BM" else None


def _png(data: bytes | bytearray) -> int | None:
    if data[8:16] != PNG_HEADER:
        return None
    width, height = struct.unpack_from(">II", data, 16)
    place = 33
    for _ in range(MOST_PARTS):
        if place + 8 > len(data):
            return int(width * height)
        size, kind = struct.unpack_from(">I4s", data, place)
        if kind not in PLAIN_CHUNKS:
            return None
        if kind == b"tRNS" and data[24] == 16:  # its pixels are read twice, for both bytes of each sample
            return None
        if kind == b"IEND":
            return int(width * height)
        place += 12 + size
    return None


def _jpeg(data: bytes | bytearray) -> int | None:
    if data.count(SCAN) > 1:
        return None
    place = 2
    for _ in range(MOST_PARTS):
        start, kind, size = struct.unpack_from(">BBH", data, place)
        if start == 0xFF and kind in BASELINE:
            height, width = struct.unpack_from(">HH", data, place + 5)
            return int(width * height)
        if start != 0xFF or kind not in PLAIN_SEGMENTS:
            return None
        place += 2 + size
    return None


def _bmp(data: bytes | bytearray) -> int:
    (header,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if header == 12 else "<ii", data, 18)
    return abs(int(width) * int(height))

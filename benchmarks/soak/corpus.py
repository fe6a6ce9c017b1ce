"""Broken requests without end, from a seed: what happens to images on the way, and what people do on purpose.

Each is (kind, content type, body). Some may still be readable; none may bring a 5xx, hang, or cost memory for good.
"""

from __future__ import annotations

import json
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

from PIL import Image

Broken = tuple[str, str, bytes]
Maker = Callable[[random.Random, bytes], tuple[str, bytes]]
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
TYPES = ("image/png", "image/jpeg", "image/jpg", "image/webp", "image/bmp")


def broken(seed: int, files: list[bytes]) -> Iterator[Broken]:
    """One after the other, all kinds equally often; `files` are whole images to be broken."""
    chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
    kinds = sorted(MAKERS)
    while True:
        kind = chance.choice(kinds)
        content_type, body = MAKERS[kind](chance, chance.choice(files))
        yield kind, content_type, body


def _truncated(chance: random.Random, file: bytes) -> tuple[str, bytes]:
    return chance.choice(TYPES), file[: chance.randrange(len(file))]


def _flipped(chance: random.Random, file: bytes) -> tuple[str, bytes]:
    found = bytearray(file)
    for _ in range(chance.choice((1, 1, 4, 32))):
        found[chance.randrange(len(found))] ^= 1 << chance.randrange(8)
    return chance.choice(TYPES), bytes(found)


def _spliced(chance: random.Random, file: bytes) -> tuple[str, bytes]:
    at, length = chance.randrange(len(file)), chance.randrange(64)
    return chance.choice(TYPES), file[:at] + chance.randbytes(length) + file[at + chance.randrange(64):]


def _noise(chance: random.Random, _: bytes) -> tuple[str, bytes]:
    return chance.choice(TYPES), chance.randbytes(chance.randrange(2000))


def _wrong_magic(chance: random.Random, file: bytes) -> tuple[str, bytes]:
    magic = chance.choice(MAGICS)
    return chance.choice(TYPES), magic + file[len(magic):]


def _bomb(chance: random.Random, _: bytes) -> tuple[str, bytes]:
    return "image/png", chance.choice(BOMBS)


def _huge_header(chance: random.Random, _: bytes) -> tuple[str, bytes]:
    side = chance.choice((0, 1, 28, 65_535, 2**31 - 1, 2**31, 2**32 - 1))
    header = struct.pack(">IIBBBBB", side, chance.choice((0, 1, 2**32 - 1, side)), chance.choice((1, 8, 16, 255)),
                         chance.choice((0, 2, 3, 6, 99)), 0, 0, chance.choice((0, 1)))
    pixels = zlib.compress(chance.randbytes(100))
    return "image/png", PNG_MAGIC + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _bmp(chance: random.Random, _: bytes) -> tuple[str, bytes]:
    sizes = (0, 1, -1, 28, 10_000, 2**31 - 1, -(2**31))
    header = struct.pack("<IiiHHIIiiII", 40, chance.choice(sizes), chance.choice(sizes), 1,
                         chance.choice((1, 8, 24, 32)), chance.choice((0, 1, 3)), 0, 0, 0,
                         chance.choice((0, 256, 2**31)), 0)
    return "image/bmp", b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + header + chance.randbytes(300)


def _exif(chance: random.Random, _: bytes) -> tuple[str, bytes]:
    """A JPEG with an EXIF block of garbage, sometimes with the right beginning."""
    start = chance.choice(EXIF)
    block = start + chance.randbytes(chance.randrange(300))
    picture = BytesIO()
    Image.new("L", (28, 28), chance.randrange(256)).save(picture, "JPEG")
    return "image/jpeg", b"\xff\xd8\xff\xe1" + struct.pack(">H", len(block) + 2) + block + picture.getvalue()[2:]


def _png_exif(chance: random.Random, _: bytes) -> tuple[str, bytes]:
    picture = BytesIO()
    Image.new("L", (28, 28)).save(picture, "PNG")
    whole = picture.getvalue()
    return "image/png", whole[:33] + chunk(b"eXIf", chance.randbytes(chance.randrange(200))) + whole[33:]


def _text_bomb(chance: random.Random, _: bytes) -> tuple[str, bytes]:
    """A small picture with a comment that unpacks to megabytes."""
    text = chunk(b"zTXt", b"Comment\x00\x00" + TEXT)
    picture = BytesIO()
    Image.new("L", (28, 28)).save(picture, "PNG")
    whole = picture.getvalue()
    return "image/png", whole[:33] + text * chance.randrange(1, 4) + whole[33:]


def _form(chance: random.Random, file: bytes) -> tuple[str, bytes]:
    name = chance.choice((b"image", b"images", b"file", b"model", b"other", b"\xff"))
    part = b'--b\r\nContent-Disposition: form-data; name="%s"; filename="x"\r\n\r\n%s\r\n' % (name, file)
    whole = part * chance.randrange(1, 20) + b"--b--\r\n"
    at = chance.randrange(len(whole))
    cut = (whole[:at], whole[at:], whole[:at] + b"--b" + whole[at:], whole.replace(b"\r\n", b"\n"))
    return f"multipart/form-data; boundary={chance.choice(('b', 'c', '', 'b' * 300))}", chance.choice(cut)


def _json(chance: random.Random, _: bytes) -> tuple[str, bytes]:
    image = chance.choice(IMAGES)
    text = chance.choice((
        json.dumps({"image": image}), json.dumps({"images": [image] * chance.randrange(4)}), json.dumps(image),
        json.dumps({"image": image, "top_k": chance.choice((0, -1, 10**9, None, "1"))}),
        '{"image":' + "[" * chance.randrange(3000), '{"image":[[' + "9" * chance.randrange(1, 5000) + "]]}", '{"image"',
    ))
    return "application/json", text.encode()[: None if chance.random() < 0.8 else -chance.randrange(1, 20)]


def _pixels(chance: random.Random, _: bytes) -> tuple[str, bytes]:
    return "application/octet-stream", chance.randbytes(chance.choice((0, 1, 783, 785, 1568, 784 * 300)))


def _type(chance: random.Random, file: bytes) -> tuple[str, bytes]:
    return chance.choice(("", "text/html", "image/", "image/svg+xml", "application/x-python-pickle", "a" * 300,
                          "multipart/form-data", "application/vnd.bentoml+pickle")), file


def chunk(kind: bytes, data: bytes) -> bytes:
    """A PNG chunk with its right check sum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _squeezed(width: int, height: int, depth: int) -> bytes:
    """A valid PNG of as many black pixels in few bytes."""
    squeeze = zlib.compressobj(9)
    row = bytes(1 + width * depth // 8)
    data = b"".join(squeeze.compress(row) for _ in range(height)) + squeeze.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    return PNG_MAGIC + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


BOMBS = (_squeezed(20_000, 10_000, 1), _squeezed(30_000, 30_000, 1))
TEXT = zlib.compress(bytes(5_000_000), 9)
MAGICS = (PNG_MAGIC, b"\xff\xd8\xff", b"BM", b"RIFF\x00\x01\x00\x00WEBP", b"GIF89a", b"%PDF-1.7", b"II*\x00")
EXIF = (b"", b"Exif\x00\x00", b"Exif\x00\x00MM\x00*\x00\x00\x00\x08", b"Exif\x00\x00II*\x00\xff\xff\xff\xff")
IMAGES: tuple[Any, ...] = (
    None, 1, "", "x", "http://169.254.169.254/", "data:image/png;base64,AAAA", [], [[]], [[[]]], {}, [1, 2],
    [[0] * 28] * 27, [[256] * 28] * 28, [[-1] * 28] * 28, [[0.5] * 28] * 28, [[1e308] * 28] * 28, [["0"] * 28] * 28,
    [[True] * 28] * 28, [[[0] * 4] * 28] * 28, [[0] * 28, [0] * 29],
)
MAKERS: dict[str, Maker] = {
    "truncated": _truncated, "flipped": _flipped, "spliced": _spliced, "noise": _noise, "wrong magic": _wrong_magic,
    "bomb": _bomb, "huge header": _huge_header, "bmp": _bmp, "exif": _exif, "png exif": _png_exif,
    "text bomb": _text_bomb, "form": _form, "json": _json, "pixels": _pixels, "type": _type,
}

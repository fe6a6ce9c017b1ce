"""One encoded image to pixels, by the rule that the service applies to what its clients send.

    formats     PNG, JPEG, WebP and BMP, told by content
    turned      EXIF orientation is applied
    animated    the first frame
    alpha       composited over white
    16 bit      the upper 8 bits
    colour      for a grey data set: luma, ITU-R 601
    size        stretched to the size of the data set, bilinear with antialiasing

`training` and `service` share no code, so the rule stands here a second time; a test holds both to the same pixels.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

SIGNATURES: dict[bytes, str] = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG", b"RIFF": "WEBP", b"BM": "BMP"}
MODES = {1: "L", 3: "RGB"}
RULE = "stretched to the size, bilinear with antialiasing"
ORIENTATION, ON_A_SIDE = 0x0112, (5, 6, 7, 8)  # the tag may hold anything, and then means nothing
MOST_PIXELS = 100_000_000  # of one image, read from its header: beyond it, it is a bomb or a mistake

Image.MAX_IMAGE_PIXELS = None  # ours is checked before anything is decoded


def look(data: bytes) -> tuple[tuple[int, int], bool]:
    """((height, width), grey) of an encoded image as it will be seen; ValueError when it is none, or damaged."""
    try:
        with _opened(data) as image:
            width, height = image.size
            if "exif" in image.info and image.getexif().get(ORIENTATION, 1) in ON_A_SIDE:
                width, height = height, width
            grey = image.mode in ("1", "L", "LA") or image.mode.startswith("I")
            return (height, width), grey
    except ValueError:
        raise
    except Exception as error:  # whatever a codec says to bad bytes
        raise ValueError(f"cannot be read: {error or type(error).__name__}") from error


def decode(data: bytes, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Pixels uint8 (height, width, channels) as `shape` says; ValueError with the reason."""
    height, width, channels = shape
    try:
        with _opened(data) as image:
            image.load()
            upright = ImageOps.exif_transpose(image) if "exif" in image.info else image
            flat = _flat(upright, MODES[channels])
            if flat.size != (width, height):
                flat = flat.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=3.0)
            return np.asarray(flat).reshape(shape)
    except ValueError:
        raise
    except Exception as error:  # on bad bytes codecs raise OSError, SyntaxError, struct.error, ...
        raise ValueError(f"cannot be decoded: {error or type(error).__name__}") from error


def _opened(data: bytes) -> Image.Image:
    kind = next((name for start, name in SIGNATURES.items() if data.startswith(start)), None)
    if kind is None:
        raise ValueError("is no PNG, JPEG, WebP or BMP file" if data else "is empty")
    try:
        image = Image.open(io.BytesIO(data), formats=[kind])
    except Exception as error:
        raise ValueError(f"is no whole {kind} file: {error}") from error
    if image.width * image.height > MOST_PIXELS:
        raise ValueError(f"has {image.width} x {image.height} pixels, the limit is {MOST_PIXELS}")
    return image


def _flat(image: Image.Image, mode: str) -> Image.Image:
    if image.mode == mode and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):  # Pillow's own conversion clips at 255 instead of scaling
        image = Image.fromarray((np.asarray(image).clip(0, 65535) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == mode else image.convert(mode)

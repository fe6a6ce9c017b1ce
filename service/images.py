"""One encoded image in, the pixels a model wants out, or a Problem that says why not. Knows nothing of HTTP.

    format      PNG, JPEG, WebP and BMP, told by content; the declared type and the file name are never believed
    size        read from the header, before anything is decoded; more than `max_pixels` is refused
    turned      EXIF orientation is applied
    animated    the first frame
    alpha       composited over white, as a browser shows it
    16 bit      the upper 8 bits
    colour      for a grey model: luma, ITU-R 601 (0.299 R + 0.587 G + 0.114 B)
    grey        for an RGB model: the same value three times
    resize      "fit": stretched to the model's size, bilinear with antialiasing; "exact": any other size is refused
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from service.card import InputSpec
from service.effort import SCAN
from service.problems import Problem
from service.settings import Resize

# The cap here is ours, per request and before decoding; Pillow's global one would only add a second opinion.
Image.MAX_IMAGE_PIXELS = None

SIGNATURES: dict[bytes, str] = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"RIFF": "WEBP",  # RIFF holds other things too; Pillow refuses those
    b"BM": "BMP",
}
ALLOWED = "PNG, JPEG, WebP, BMP"
OTHERS: dict[bytes, str] = {b"GIF8": "GIF", b"II*\0": "TIFF", b"MM\0*": "TIFF", b"%PDF": "PDF", b"<svg": "SVG"}
RUN_LENGTHS = (1, 2)            # a BMP's compression as Pillow unpacks it in Python, pixel by pixel
OLD_HEADER = b"\x0c\0\0\0"      # of a BMP that knows no compression
MOST_SCANS = 64                 # of a JPEG: each goes over all its pixels, and a few bytes are enough for one
TOGETHER = 20                   # times the most pixels of one image: what all of a request may have
MODES = {1: "L", 3: "RGB"}
# How a PNG holds values that Pillow makes others of, without doing the same to the transparent one; and their largest.
KEYED = {"L;2": 3, "L;4": 15, "I;16B": 65535, "RGB;16B": 65535}


@dataclass(slots=True)
class Decoded:
    """`pixels` uint8 (height, width, channels) in the model's shape; `original` is (width, height) when scaled."""

    pixels: NDArray[np.uint8]
    original: tuple[int, int] | None


class Budget:
    """Pixels that the encoded images of one request may still have, together."""

    __slots__ = ("left", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = self.left = limit

    def spend(self, pixels: int) -> None:
        """Take them, whatever will become of the image; Problem where that is more than there are."""
        if pixels > self.left:
            raise Problem("image-too-large", f"with {pixels} pixels more the request has over {self.limit}",
                          limit=self.limit, cure="send the images in several requests, or scale them down before")
        self.left -= pixels


def rehearse() -> None:
    """Decode one small image of each format, so that no client pays for what the codecs load on first use."""
    spec = InputSpec(height=2, width=2, channels=3)
    for kind in sorted(set(SIGNATURES.values())):
        buffer = io.BytesIO()
        Image.new("RGB", (4, 4)).save(buffer, kind)
        decode(buffer.getvalue(), spec, max_pixels=16, resize="fit")


def decode(
    data: bytes, spec: InputSpec, *, max_pixels: int, resize: Resize, budget: Budget | None = None
) -> Decoded:
    """Decode one image file to the shape of `spec`; raises Problem, never anything else, whatever the bytes are."""
    kind = sniff(data)
    _check_kind(data, kind)
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            _check_size(image.size, spec, max_pixels, resize)
            if budget is not None:
                budget.spend(image.width * image.height)
            # How the file holds its values is told only before it is loaded, and matters only to a transparent colour.
            raw = image.tile[0].args if "transparency" in image.info else None
            upright = _upright(image)
            if upright.mode == "L" and spec.channels == 1 and upright.size == (spec.width, spec.height) and (
                "transparency" not in upright.info
            ):  # what most clients of a grey model send; the steps below would do nothing, slowly
                return Decoded(np.frombuffer(upright.tobytes(), np.uint8).reshape(spec.shape), None)
            if raw in KEYED and "transparency" in upright.info:
                upright = _keyed(upright, KEYED[raw], data)
            return _fit(_flatten(upright, MODES[spec.channels]), spec, resize)
    except Problem:
        raise
    except Exception as error:  # on bad bytes codecs raise OSError, SyntaxError, struct.error, ...
        raise Problem(
            "image-unreadable",
            f"this {kind} of {len(data)} bytes cannot be decoded: {_reason(error)}",
            cure="check that the file is complete and opens in an image viewer",
        ) from error


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG file of uint8 (height, width, 1 or 3); `decode` gives the same pixels back."""
    buffer = io.BytesIO()
    Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0]).save(buffer, "PNG")
    return buffer.getvalue()


def png_url(pixels: NDArray[np.uint8]) -> str:
    """The same file as a data URL, for a page."""
    return "data:image/png;base64," + base64.b64encode(encode_png(pixels)).decode()


def sniff(data: bytes) -> str:
    """The format's name in Pillow's spelling, from the first bytes."""
    for signature, kind in SIGNATURES.items():
        if data.startswith(signature):
            return kind
    if not data:
        raise Problem("no-image", "the image is empty (0 bytes)", cure="check that the file is not empty")
    found = next((name for start, name in OTHERS.items() if data.startswith(start)), None)
    raise Problem(
        "unsupported-image-format",
        f"this is {found}" if found else f"the first bytes, {data[:8].hex(' ')}, belong to no known image format",
        cure=f"convert it to one of {ALLOWED}",
    )


def _check_kind(data: bytes, kind: str) -> None:
    """Problem for the two ways to keep a decoder busy for minutes with a few bytes."""
    if kind == "BMP" and int.from_bytes(data[30:34], "little") in RUN_LENGTHS and data[14:18] != OLD_HEADER:
        raise Problem("unsupported-image-format", "this BMP is run-length encoded",
                      cure=f"save it without compression, or convert it to one of {ALLOWED}")
    if kind == "JPEG" and (scans := data.count(SCAN)) > MOST_SCANS:
        raise Problem("image-too-large", f"this JPEG has {scans} scans, the limit is {MOST_SCANS}", limit=MOST_SCANS,
                      cure="save it anew; an encoder writes a dozen at most")


def _check_size(size: tuple[int, int], spec: InputSpec, max_pixels: int, resize: Resize) -> None:
    width, height = size
    if width * height > max_pixels:
        raise Problem(
            "image-too-large",
            f"the image has {width} x {height} = {width * height} pixels, the limit is {max_pixels}",
            limit=max_pixels,
            cure="scale it down before sending, or raise WEIGHBRIDGE_MAX_PIXELS on the server",
        )
    # An orientation may still swap the sides; then `_fit` has the last word.
    if resize == "exact" and {width, height} != {spec.width, spec.height}:
        raise _not_exact(size, spec)


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    # Reading EXIF costs as much as decoding a small image, so only images that carry it pay.
    return ImageOps.exif_transpose(image) if "exif" in image.info else image


def _keyed(image: Image.Image, largest: int, data: bytes) -> Image.Image:
    """The same in 8 bits, and white where the file has its one transparent colour."""
    key = np.atleast_1d(image.info["transparency"]) & largest
    samples = np.asarray(image)
    if image.mode == "L":
        clear = samples == key * (255 // largest)
    elif image.mode == "RGB":  # of each sample the upper byte
        lower = np.asarray(_upright(_lower_bytes(data)))
        clear = np.ones(samples.shape[:2], bool)
        for place, value in enumerate(key.tolist()):
            clear &= (samples[..., place] == value >> 8) & (lower[..., place] == value & 255)
    else:
        clear, samples = samples == key, (samples >> 8).astype(np.uint8)
    white = samples.copy()
    white[clear] = 255
    return Image.fromarray(white)


def _lower_bytes(data: bytes) -> Image.Image:
    """The lower byte of each sample of a PNG of 16 bits per channel: its upper ones, were it the other way round."""
    image = Image.open(io.BytesIO(data), formats=["PNG"])
    image.tile = [image.tile[0]._replace(args="RGB;16L")]
    return image


def _flatten(image: Image.Image, mode: str) -> Image.Image:
    if image.mode == mode and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):  # 16-bit grey; Pillow's own conversion clips at 255 instead of scaling
        image = Image.fromarray((np.asarray(image).clip(0, 65535) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == mode else image.convert(mode)


def _fit(image: Image.Image, spec: InputSpec, resize: Resize) -> Decoded:
    wanted, found = (spec.width, spec.height), image.size
    if found != wanted:
        if resize == "exact":
            raise _not_exact(found, spec)
        image = image.resize(wanted, Image.Resampling.BILINEAR, reducing_gap=3.0)
    pixels = np.asarray(image).reshape(spec.shape)
    return Decoded(pixels, None if found == wanted else found)


def _not_exact(size: tuple[int, int], spec: InputSpec) -> Problem:
    return Problem(
        "wrong-shape",
        f"the image is {size[0]} x {size[1]}, the model takes {spec.width} x {spec.height} and nothing else here",
        cure="send the exact size, or set WEIGHBRIDGE_RESIZE=fit on the server",
    )


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__

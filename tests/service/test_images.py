"""The decoder: formats, colours, sizes, orientation, and bytes that are no image."""

from __future__ import annotations

import struct
import threading
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pictures import bomb, encoded, grey, rgb
from PIL import Image

from service import images
from service.card import InputSpec
from service.gone import Stopped
from service.predict import BatchError, stack
from service.problems import Problem
from service.settings import Resize, Settings

GREY = InputSpec(height=4, width=6, channels=1)
RGB = InputSpec(height=4, width=6, channels=3)


def decode(data: bytes, spec: InputSpec = GREY, resize: Resize = "fit", max_pixels: int = 10_000) -> images.Decoded:
    return images.decode(data, spec, max_pixels=max_pixels, resize=resize)


def refusal(data: bytes, spec: InputSpec = GREY, resize: Resize = "fit", max_pixels: int = 10_000) -> Problem:
    with pytest.raises(Problem) as caught:
        decode(data, spec, resize, max_pixels)
    return caught.value


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WEBP"])
def test_lossless_formats_come_out_bit_for_bit(kind: str) -> None:
    pixels = rgb(4, 6)

    decoded = decode(encoded(pixels, kind, **({"lossless": True} if kind == "WEBP" else {})), RGB)

    np.testing.assert_array_equal(decoded.pixels, pixels)
    assert decoded.original is None


def test_jpeg_comes_out_close() -> None:
    pixels = np.full((4, 6), 77, np.uint8)

    assert np.abs(decode(encoded(pixels, "JPEG", quality=95)).pixels.astype(int) - 77).max() <= 2


def test_grey_becomes_three_equal_channels() -> None:
    pixels = grey(4, 6)

    np.testing.assert_array_equal(decode(encoded(pixels), RGB).pixels, np.stack([pixels] * 3, axis=-1))


def test_colour_becomes_luma() -> None:
    found = decode(encoded(np.full((4, 6, 3), (255, 0, 0), np.uint8))).pixels

    assert set(found.ravel().tolist()) == {76}  # 0.299 * 255


def test_a_transparent_pixel_is_white_and_a_half_transparent_black_one_grey() -> None:
    pixels = np.zeros((4, 6, 4), np.uint8)
    pixels[0, 0, 3] = 128
    pixels[0, 1, 3] = 255

    found = decode(encoded(pixels)).pixels[..., 0]

    assert (found[0, 0], found[0, 1], found[1, 1]) == (127, 0, 255)


def palette(transparent: bool) -> bytes:
    image = Image.fromarray(np.zeros((4, 6), np.uint8), mode="L").convert("P")
    image.putpalette([200, 200, 200] + [0] * 765)
    return encoded(image, transparency=0) if transparent else encoded(image)


@pytest.mark.parametrize(("transparent", "value"), [(False, 200), (True, 255)])
def test_a_palette_is_looked_up_and_its_transparency_kept(transparent: bool, value: int) -> None:
    assert set(decode(palette(transparent)).pixels.ravel().tolist()) == {value}


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def keyed(pixels: NDArray[Any], bits: int, *key: int) -> bytes:
    """A PNG of `bits` per sample, grey (height, width) or colour (height, width, 3), with one transparent colour."""
    height, width = pixels.shape[:2]
    if bits == 16:
        lines = [line.astype(">u2").tobytes() for line in pixels]
    else:
        shifts = np.arange(bits)[::-1]
        lines = [np.packbits((line.reshape(-1, 1) >> shifts & 1).astype(np.uint8)).tobytes() for line in pixels]
    header = struct.pack(">IIBBBBB", width, height, bits, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + line for line in lines))
    transparent = chunk(b"tRNS", struct.pack(f">{len(key)}H", *key))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + transparent + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("bits", "key"), [(1, 0), (2, 1), (2, 0), (4, 5), (8, 0x34), (16, 0x1234)])
@pytest.mark.parametrize("spec", [GREY, RGB], ids=["grey", "colour"])
def test_the_transparent_grey_is_white_and_no_other_however_many_bits_it_has(
    bits: int, key: int, spec: InputSpec
) -> None:
    values = np.arange(0x1230, 0x1230 + 24).reshape(4, 6, 1) % 2**bits  # of 16 bits, all with the same upper byte
    shown = values >> 8 if bits == 16 else values * 255 // (2**bits - 1)
    shown[values == key] = 255

    found = decode(keyed(values[..., 0], bits, key), spec).pixels

    np.testing.assert_array_equal(found, np.broadcast_to(shown, spec.shape))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("turned", [False, True])
def test_the_transparent_colour_is_white_and_its_neighbours_are_not(bits: int, turned: bool) -> None:
    key = np.array((0x1234, 0x2345, 0x3456)) % 2**bits
    values = np.tile(key, (4, 6, 1))
    values[0] += np.eye(6, 3, dtype=int)  # one value is one more, in the first three
    shown = np.where((values == key).all(axis=2, keepdims=True), 255, values >> bits - 8)
    file = keyed(values, bits, *key)
    if turned:  # by 180 degrees
        exif = Image.Exif()
        exif[0x0112] = 3
        file = file[:33] + chunk(b"eXIf", exif.tobytes()[6:]) + file[33:]
        shown = shown[::-1, ::-1]

    np.testing.assert_array_equal(decode(file, RGB).pixels, shown)


@pytest.mark.parametrize(("high", "low"), [(0x12FF, 0x12), (0xFFFF, 0xFF), (0, 0)])
def test_sixteen_bits_keep_the_upper_eight(high: int, low: int) -> None:
    assert set(decode(encoded(np.full((4, 6), high, np.uint16))).pixels.ravel().tolist()) == {low}


def test_one_bit_is_black_and_white() -> None:
    image = Image.fromarray(np.eye(4, 6).astype(bool))

    np.testing.assert_array_equal(decode(encoded(image)).pixels[..., 0], np.eye(4, 6) * 255)


def test_cmyk_jpeg_is_read() -> None:
    assert decode(encoded(Image.new("CMYK", (6, 4)), "JPEG")).pixels.shape == (4, 6, 1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_turns_the_image(kind: str) -> None:
    lying = np.zeros((6, 4, 3), np.uint8)  # upright it is 4 high, 6 wide
    lying[:, :2] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    options = {"lossless": True} if kind == "WEBP" else {}

    found = decode(encoded(lying, kind, exif=exif, **options), resize="exact")

    assert found.original is None
    assert found.pixels[:2].min() > 250
    assert found.pixels[2:].max() < 5


def test_fit_scales_and_reports_the_upright_size() -> None:
    decoded = decode(encoded(np.full((40, 20), 9, np.uint8)))

    assert (decoded.pixels.shape, decoded.original, set(decoded.pixels.ravel().tolist())) == ((4, 6, 1), (20, 40), {9})


@pytest.mark.parametrize("size", [(4, 5), (6, 4), (40, 60)])
def test_exact_refuses_any_other_size(size: tuple[int, int]) -> None:
    assert refusal(encoded(grey(*size)), resize="exact").slug == "wrong-shape"


def test_pixels_are_counted_before_decoding() -> None:
    problem = refusal(bomb())

    assert (problem.slug, problem.limit) == ("image-too-large", 10_000)


def test_an_animation_is_its_first_frame() -> None:
    frames = [Image.new("L", (6, 4), value) for value in (10, 200)]

    assert set(decode(encoded(frames[0], save_all=True, append_images=frames[1:])).pixels.ravel().tolist()) == {10}


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PPM", "ICO"])
def test_other_formats_are_refused_by_content(kind: str) -> None:
    assert refusal(encoded(grey(32, 32), kind)).slug == "unsupported-image-format"


@given(st.binary(max_size=200))
def test_any_bytes_are_an_image_or_a_problem(data: bytes) -> None:
    try:
        assert decode(data).pixels.shape == GREY.shape
    except Problem as problem:
        assert problem.status < 500  # noqa: PT017 - both outcomes are right


SAMPLES = [
    encoded(rgb(9, 9), kind, **options)
    for kind, options in [("PNG", {}), ("JPEG", {}), ("JPEG", {"progressive": True}), ("WEBP", {}), ("BMP", {})]
]


@given(st.sampled_from(SAMPLES), st.data())
def test_a_damaged_file_is_an_image_or_a_problem(sample: bytes, data: st.DataObject) -> None:
    broken = bytearray(sample)
    for _ in range(data.draw(st.integers(1, 4))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))

    try:
        decode(bytes(broken[: data.draw(st.integers(1, len(broken)))]))
    except Problem as problem:
        assert problem.status < 500  # noqa: PT017


def test_the_result_is_ready_for_the_runtime() -> None:
    pixels: NDArray[np.uint8] = decode(encoded(rgb(4, 6))).pixels

    assert pixels.flags["C_CONTIGUOUS"]
    assert pixels.dtype == np.uint8


def test_the_images_of_a_request_share_what_they_may_have_in_pixels() -> None:
    most = images.TOGETHER  # of the largest size that one may have
    pixels, outcomes = stack([encoded(grey())] * (most + 2), GREY, Settings(max_pixels=16))

    assert len(pixels) == most
    assert [type(each) is Problem and each.slug for each in outcomes[most:]] == ["image-too-large"] * 2


def test_an_image_that_cannot_be_decoded_has_cost_its_pixels_all_the_same() -> None:
    broken = encoded(grey())[:50]

    with pytest.raises(BatchError) as caught:
        stack([broken] * (images.TOGETHER + 1), GREY, Settings(max_pixels=16))

    slugs = [problem.slug for problem in caught.value.problems]
    assert slugs == ["image-unreadable"] * images.TOGETHER + ["image-too-large"]


def test_no_image_is_decoded_once_nobody_wants_the_result() -> None:
    stop = threading.Event()
    stop.set()

    with pytest.raises(Stopped):
        stack([encoded(grey())], GREY, Settings(), stop=stop)

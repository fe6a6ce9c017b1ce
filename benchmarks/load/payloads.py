"""The request bodies: real labelled test images, encoded to bytes long before any clock runs.

A clock that includes the client's own PNG encoder measures the client. So the bytes are made once, stored in one
file, and only sliced while the load runs.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.load.protocols.protocol import WEIGHBRIDGE, Protocol


@dataclass(frozen=True)
class Payloads:
    """Bodies and what is true about them."""

    content_type: str
    bodies: list[bytes]
    labels: NDArray[np.int16]
    images: NDArray[np.int32]   # index of each body in its split
    protocol: Protocol = WEIGHBRIDGE

    def __len__(self) -> int:
        return len(self.bodies)


def png(image: NDArray[np.uint8]) -> bytes:
    """One (height, width, channels) image as PNG."""
    return _pillow(image, "PNG")


def jpeg(image: NDArray[np.uint8]) -> bytes:
    """One (height, width, channels) image as JPEG, quality 90."""
    return _pillow(image, "JPEG", quality=90)


def raw(image: NDArray[np.uint8]) -> bytes:
    """The pixels themselves, height x width x channels."""
    return image.tobytes()


ENCODERS: dict[str, tuple[str, Callable[[NDArray[np.uint8]], bytes]]] = {
    "png": ("image/png", png),
    "jpeg": ("image/jpeg", jpeg),
    "raw": ("application/octet-stream", raw),
}


def encode(body: str, images: NDArray[np.uint8], labels: NDArray[np.int64], *, limit: int, seed: int) -> Payloads:
    """At most `limit` bodies of the kind `body`, chosen and ordered by `seed` from uint8 (N, H, W, C) `images`."""
    try:
        content_type, encoder = ENCODERS[body]
    except KeyError:
        raise ValueError(f"unknown body {body!r}; known are {', '.join(ENCODERS)}") from None
    return encode_with(encoder, content_type, images, labels, limit=limit, seed=seed)


def encode_with(
    encoder: Callable[[NDArray[np.uint8]], bytes], content_type: str, images: NDArray[np.uint8],
    labels: NDArray[np.int64], *, limit: int, seed: int, protocol: Protocol = WEIGHBRIDGE,
) -> Payloads:
    """The same with an encoder of one's own, for another protocol for instance."""
    chosen = np.random.default_rng(seed).permutation(len(images))[:limit].astype(np.int32)
    bodies = [encoder(images[i]) for i in chosen]
    return Payloads(content_type, bodies, labels[chosen].astype(np.int16), chosen, protocol)


def digest(payloads: Payloads) -> str:
    """SHA-256 over all bodies in order; it goes into the result, so that two runs can be told to have sent the same."""
    return hashlib.sha256(b"".join(payloads.bodies)).hexdigest()


def write_payloads(path: Path, payloads: Payloads) -> None:
    """Store the bodies in one .npz. That they speak Weighbridge's own protocol is not written: it never was."""
    other: dict[str, Any] = {}
    if payloads.protocol != WEIGHBRIDGE:
        other["protocol"] = np.array(payloads.protocol.stored())
    complete = path.with_name(f"{path.stem}.part.npz")  # what is broken off is never taken for whole
    np.savez(
        complete,
        content_type=np.array(payloads.content_type),
        data=np.frombuffer(b"".join(payloads.bodies), dtype=np.uint8),
        ends=np.cumsum([len(body) for body in payloads.bodies]),
        labels=payloads.labels,
        images=payloads.images,
        **other,
    )
    complete.replace(path)


def read_payloads(path: Path) -> Payloads:
    """Read what `write_payloads` stored."""
    with np.load(path, allow_pickle=False) as stored:
        data, ends = stored["data"].tobytes(), stored["ends"].tolist()
        bodies = [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]
        return Payloads(str(stored["content_type"]), bodies, stored["labels"], stored["images"], _protocol(stored))


def read_protocol(path: Path) -> Protocol:
    """The protocol alone of what `write_payloads` stored, without its bodies."""
    with np.load(path, allow_pickle=False) as stored:
        return _protocol(stored)


def part(payloads: Payloads, begin: int, end: int) -> Payloads:
    """The bodies from one place to another."""
    return replace(payloads, bodies=payloads.bodies[begin:end], labels=payloads.labels[begin:end],
                   images=payloads.images[begin:end])


def _protocol(stored: np.lib.npyio.NpzFile) -> Protocol:
    return Protocol.restored(str(stored["protocol"])) if "protocol" in stored else WEIGHBRIDGE


def _pillow(image: NDArray[np.uint8], form: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(buffer, form, **options)
    return buffer.getvalue()

"""Who is compared, and how each is asked: CONTENDERS is the whole list.

A contender gets every form of request that it takes by its own documentation, in its own natural shape; a form it
has no way to take is None and says so in the table.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.load.payloads import png

HERE = Path(__file__).parent
KEY = "wb_benchmark-key-of-no-secrecy-whatsoever-000000"
BOUNDARY = b"8f2d1c"
Images = NDArray[np.uint8]  # (n, height, width, 1)


@dataclass(frozen=True)
class Ask:
    """One prepared request."""

    path: str
    content_type: str
    body: bytes


Form = Callable[[Images], Ask]


def raw(path: str) -> Form:
    """The pixels themselves."""
    return lambda images: Ask(path, "application/octet-stream", images.tobytes())


def lists(path: str, field: str = "images") -> Form:
    """JSON: one list of grey images, height x width."""
    return lambda images: _json(path, {field: images[..., 0].tolist()})


def upload(path: str, field: str = "image") -> Form:
    """A form with one PNG file, as a browser or curl -F sends it."""
    head = b'--%s\r\nContent-Disposition: form-data; name="%s"; filename="0.png"\r\nContent-Type: image/png\r\n\r\n'

    def ask(images: Images) -> Ask:
        body = head % (BOUNDARY, field.encode()) + png(images[0]) + b"\r\n--%s--\r\n" % BOUNDARY
        return Ask(path, f"multipart/form-data; boundary={BOUNDARY.decode()}", body)

    return ask


def open_inference(path: str) -> Form:
    """Open Inference Protocol v2: a flat list of numbers and its shape."""
    return lambda images: _json(path, {"inputs": [
        {"name": "image", "shape": list(images.shape), "datatype": "UINT8", "data": images.ravel().tolist()},
    ]})


def _json(path: str, content: Any) -> Ask:
    return Ask(path, "application/json", json.dumps(content, separators=(",", ":")).encode())


def plain(answer: Any) -> list[int]:
    """Class indices from the list that the shared model gives."""
    return [each["index"] for each in answer]


def predictions(answer: Any) -> list[int]:
    """Class indices from `predictions`."""
    return plain(answer["predictions"])


@dataclass(frozen=True)
class Contender:
    """One server. `{python}`, `{port}` and `{workers}` in its command are filled in; `forms` maps FORMS to requests."""

    name: str
    label: str
    command: tuple[str, ...]
    ready: str                                  # GET here answers 200 once it may be asked
    forms: dict[str, Form | None]
    read: Callable[[Any], list[int]] = plain
    versions: str | None = None                 # file of pinned versions; None: the environment of the benchmark itself
    packages: tuple[str, ...] = ()              # whose versions the result names
    environment: dict[str, str] = field(default_factory=dict)
    headers: tuple[str, ...] = ()
    workers: bool = False                       # whether {workers} or WEIGHBRIDGE_WORKERS can be set
    note: str = ""

    @property
    def pins(self) -> Path | None:
        """The file of pinned versions."""
        return HERE / "versions" / f"{self.versions}.txt" if self.versions else None


# (title, images per request)
FORMS: dict[str, tuple[str, int]] = {
    "raw": ("raw pixels", 1),
    "json": ("JSON pixels", 1),
    "png": ("PNG upload", 1),
    "raw-32": ("raw pixels, 32 images", 32),
    "json-32": ("JSON pixels, 32 images", 32),
}


def _usual(form: str | None = "/raw", pixels: str = "/pixels", file: str = "/png") -> dict[str, Form | None]:
    by_bytes = raw(form) if form else None
    return {"raw": by_bytes, "json": lists(pixels), "png": upload(file), "raw-32": by_bytes, "json-32": lists(pixels)}


SERVERS = "benchmarks.peers.servers"
UVICORN = ("{python}", "-m", "uvicorn", "--host", "127.0.0.1", "--port", "{port}", "--no-access-log",
           "--log-level", "warning", "--loop", "uvloop", "--http", "httptools", "--workers", "{workers}")
WEIGHBRIDGE = ("{python}", "-m", "bentoml", "serve", ".", "--host", "127.0.0.1", "--port", "{port}")
OWN = {**_usual("/predict", "/predict", "/predict")}
BARE = "bare"

CONTENDERS: tuple[Contender, ...] = (
    Contender(
        BARE, "Starlette, a bare server", (*UVICORN, f"{SERVERS}.bare:app"), "/ready", _usual(),
        packages=("starlette", "uvicorn", "uvloop", "httptools"), workers=True,
        note="no checks, no limits, no metrics; uvloop and httptools",
    ),
    Contender(
        "weighbridge", "Weighbridge", WEIGHBRIDGE, "/readyz", OWN, predictions,
        packages=("bentoml", "starlette", "uvicorn", "uvloop", "httptools"), workers=True,
        environment={"WEIGHBRIDGE_API_KEYS": "{keys}", "WEIGHBRIDGE_ACCESS_LOG": "true"},
        headers=(f"X-API-Key: {KEY}",),
        note="everything on: API keys, access log, metrics, Server-Timing, limits, five labels per image",
    ),
    Contender(
        "weighbridge-as-is", "Weighbridge, settings as they come", WEIGHBRIDGE, "/readyz", OWN, predictions,
        packages=("bentoml", "starlette", "uvicorn", "uvloop", "httptools"),
        note="no API keys, no access log",
    ),
    Contender(
        "fastapi", "FastAPI", (*UVICORN, f"{SERVERS}.fastapi_handlers:app"), "/docs", _usual(), versions="fastapi",
        packages=("fastapi", "starlette", "uvicorn", "uvloop", "httptools", "pydantic"), note="uvloop and httptools",
    ),
    Contender(
        "bentoml", "BentoML", ("{python}", "-m", "bentoml", "serve", f"{SERVERS}.bentoml_api:Classifier",
                               "--host", "127.0.0.1", "--port", "{port}"),
        "/readyz", _usual(None), packages=("bentoml", "starlette", "uvicorn", "uvloop", "httptools"),
        note="@bentoml.api as it comes, which writes an access log; no natural form for raw pixels",
    ),
    Contender(
        "litserve", "LitServe", ("{python}", "-m", f"{SERVERS}.litserve_api", "{port}"), "/health",
        {**_usual(None, "/predict", "/predict")}, predictions, versions="litserve",
        packages=("litserve", "fastapi", "uvicorn", "uvloop", "httptools"), note="JSON or a form, not raw bytes",
    ),
    Contender(
        "mlserver", "MLServer", ("{python}", "-m", f"{SERVERS}.mlserver_model", "{port}"),
        "/v2/models/classifier/ready",
        {"raw": None, "json": open_inference("/v2/models/classifier/infer"), "png": None, "raw-32": None,
         "json-32": open_inference("/v2/models/classifier/infer")},
        lambda answer: list(answer["outputs"][0]["data"]), versions="mlserver",
        packages=("mlserver", "fastapi", "uvicorn", "uvloop"),
        note="Open Inference Protocol JSON; no upload, no raw bytes over REST; parallel workers off",
    ),
    Contender(
        "ray", "Ray Serve", ("{python}", "-m", f"{SERVERS}.ray_deployment", "{port}"), "/-/healthz",
        _usual("/", "/", "/"), versions="ray", packages=("ray", "starlette", "uvicorn", "uvloop"),
        environment={"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0",
                     "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60"},  # the default of 5 s is not enough on two cores
        note="one replica, access log off",
    ),
)
assert all(set(contender.forms) == set(FORMS) for contender in CONTENDERS)


def find(names: list[str]) -> list[Contender]:
    """The contenders of these names, in the order of the list; all when none is named. ValueError for another name."""
    if unknown := set(names) - {contender.name for contender in CONTENDERS}:
        known = ", ".join(contender.name for contender in CONTENDERS)
        raise ValueError(f"unknown contender {', '.join(sorted(unknown))}; known are {known}")
    return [contender for contender in CONTENDERS if not names or contender.name in names]


def python_of(contender: Contender, venvs: Path) -> str:
    """The interpreter a contender runs on."""
    return str(venvs / contender.name / "bin" / "python") if contender.versions else sys.executable

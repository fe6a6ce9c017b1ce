"""The protocol's addresses, and what the OpenAPI document says about them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from starlette.routing import Route

from service.oip import messages
from service.oip.about import live, model_config, model_metadata, model_ready, ready, server, stats
from service.oip.errors import HEADER
from service.oip.infer import infer
from service.oip.repository import Index, index, load, unload
from service.oip.tensors import LENGTH_HEADER
from service.problems import PROBLEMS

Json = dict[str, Any]
MODEL, VERSION = "/v2/models/{model}", "/v2/models/{model}/versions/{version}"
REPOSITORY = "/v2/repository/models/{model}"

ROUTES = (
    Route("/v2", server),
    Route("/v2/health/live", live),
    Route("/v2/health/ready", ready),
    Route("/v2/models/stats", stats),
    *(
        Route(prefix + suffix, endpoint, methods=methods)
        for prefix in (MODEL, VERSION)
        for suffix, endpoint, methods in (
            ("", model_metadata, ["GET"]),
            ("/ready", model_ready, ["GET"]),
            ("/config", model_config, ["GET"]),
            ("/stats", stats, ["GET"]),
            ("/infer", infer, ["POST"]),
        )
    ),
    Route("/v2/repository/index", index, methods=["POST"]),
    Route(REPOSITORY + "/load", load, methods=["POST"]),
    Route(REPOSITORY + "/unload", unload, methods=["POST"]),
)
REQUESTS: tuple[type[BaseModel], ...] = (messages.InferRequest, messages.IndexRequest, messages.RepositoryRequest)
ANSWERS: tuple[type[BaseModel], ...] = (
    messages.InferAnswer, messages.OipError, messages.ServerMetadata, messages.Live, messages.Ready,
    messages.ModelMetadata, messages.ModelConfig, messages.Stats, Index,
)
ALWAYS = (
    "bad-request", "read-timeout", "body-too-large", "internal-error", "overloaded", "ending", "answer-timeout",
)
FINDING = ("unknown-model", "not-ready", "runtime-unavailable")
INFERRING = (
    *FINDING, "bad-json", "bad-value", "contradiction", "unknown-runtime", "unsupported-media-type",
    "unsupported-image-format", "no-image", "image-unreadable", "image-too-large", "too-many-images", "wrong-shape",
    "bad-pixels",
)
CHANGING = ("control-off", "unknown-model", "bad-json", "bad-value", "not-ready")


def paths() -> Json:
    """Path items by address."""
    found: Json = {
        "/v2": {"get": _get("The server's name and extensions", "ServerMetadata")},
        "/v2/health/live": {"get": _get("Whether the process answers", "Live")},
        "/v2/health/ready": {"get": _readiness("Whether traffic may come")},
        "/v2/models/stats": {"get": _get("What every model has done", "Stats")},
        "/v2/repository/index": {"post": _post("List it all", "IndexRequest", "Index", ("bad-json", "bad-value"))},
        REPOSITORY + "/load": {"post": _change("Load a model, or load it again", (*CHANGING, "load-refused"))},
        REPOSITORY + "/unload": {"post": _change("Unload a model", CHANGING)},
    }
    for prefix in (MODEL, VERSION):
        found |= {
            prefix: {"get": _get("What a model takes and gives", "ModelMetadata", FINDING)},
            prefix + "/ready": {"get": _readiness("Whether a model takes requests", FINDING)},
            prefix + "/config": {"get": _get("The model's configuration as Triton shows it", "ModelConfig", FINDING)},
            prefix + "/stats": {"get": _get("What a model has done", "Stats", ("unknown-model",))},
            prefix + "/infer": {"post": _infer()},
        }
    for path, operations in found.items():
        for operation in operations.values():
            names = [name for name in ("model", "version") if f"{{{name}}}" in path]
            operation["parameters"] = [*map(_in_path, names), *operation.get("parameters", [])]
    return found


def _infer() -> Json:
    binary = {"schema": {"type": "string", "format": "binary"}}
    operation = _post("Classify a tensor of images", "InferRequest", "InferAnswer", INFERRING)
    operation["description"] = (
        f"JSON, or with the header {LENGTH_HEADER} JSON of that many bytes followed by binary tensors; the answer is "
        "binary where that is asked for. `image` takes pixels, `encoded` files."
    )
    operation["requestBody"]["required"] = True
    operation["requestBody"]["content"]["application/octet-stream"] = binary
    operation["responses"]["200"]["content"]["application/octet-stream"] = binary
    operation["parameters"] = [
        {"name": LENGTH_HEADER, "in": "header", "required": False, "schema": {"type": "integer", "minimum": 0}},
    ]
    return operation


def _change(summary: str, problems: Iterable[str]) -> Json:
    done = {"200": {"description": "Done, in every worker"}}
    return {
        "summary": summary,
        "description": "Refused unless WEIGHBRIDGE_CONTROL is true.",
        "requestBody": {"required": False, "content": _json("RepositoryRequest")},
        "responses": {**done, **_problems(problems)},
    }


def _readiness(summary: str, problems: Iterable[str] = ()) -> Json:
    operation = _get(summary, "Ready", [slug for slug in problems if PROBLEMS[slug].status != 400])
    either = {"schema": {"anyOf": [_ref("Ready"), _ref("OipError")]}}
    operation["responses"]["400"] = {"description": "Not ready", "content": {"application/json": either}}
    return operation


def _get(summary: str, answer: str, problems: Iterable[str] = ()) -> Json:
    done = {"200": {"description": "Done", "content": _json(answer)}}
    return {"summary": summary, "responses": {**done, **_problems(problems)}}


def _post(summary: str, request: str, answer: str, problems: Iterable[str]) -> Json:
    return {"requestBody": {"required": False, "content": _json(request)}, **_get(summary, answer, problems)}


def _problems(slugs: Iterable[str]) -> Json:
    by_status: dict[int, list[str]] = {}
    for slug in dict.fromkeys((*slugs, *ALWAYS)):
        by_status.setdefault(int(PROBLEMS[slug].status), []).append(slug)
    return {
        str(status): {
            "description": "; ".join(f"`{slug}`: {PROBLEMS[slug].title}" for slug in found),
            "headers": {HEADER: {"schema": {"type": "string", "enum": found}}},
            "content": _json("OipError"),
        }
        for status, found in sorted(by_status.items())
    }


def _in_path(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _json(model: str) -> Json:
    return {"application/json": {"schema": _ref(model)}}


def _ref(model: str) -> Json:
    return {"$ref": f"#/components/schemas/{model}"}

"""The OpenAPI 3.1 document, built from the wire models, the table of problems and the settings in force."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from service import board, wire
from service.ingress import SHORTEST_S
from service.oip import paths as oip
from service.problems import MEDIA_TYPE, PROBLEMS, URN
from service.settings import Resize, Settings
from service.version import VERSION

REF = "#/components/schemas/{model}"
Json = dict[str, Any]

REQUESTS: tuple[type[BaseModel], ...] = (
    wire.PredictRequest, wire.EvaluateRequest, *oip.REQUESTS,
)
ANSWERS: tuple[type[BaseModel], ...] = (
    wire.PredictAnswer, wire.EvaluateAnswer, wire.ProblemDocument, wire.ModelList, wire.ModelVersions,
    wire.SplitList, wire.Readiness, wire.RouteList, wire.Job, wire.JobList, wire.SeenInput,
    wire.Occlusion, wire.LiveState, wire.ReportList, wire.CellImages, board.Leaderboard, *oip.ANSWERS,
)
ALWAYS = (
    "unauthorized", "bad-request", "head-too-large", "read-timeout", "body-too-large", "internal-error", "overloaded",
    "ending",
)
TAKING_IMAGES = (
    "bad-json", "bad-multipart", "bad-value", "contradiction", "unknown-model", "unknown-runtime",
    "runtime-unavailable", "not-ready", "unsupported-media-type", "unsupported-image-format", "no-image",
    "image-unreadable", "image-too-large", "too-many-images",
)
BINARY: Json = {"type": "string", "format": "binary"}
MODEL: Json = {
    "type": "string",
    "description": "`name` (its newest ready version) or `name@version`",
    "examples": ["fm-fast"],
}
RUNTIME: Json = {"type": "string", "description": "one of the model's usable runtimes", "examples": ["onnxruntime"]}
RESIZE: Json = {
    "type": "string", "enum": [*get_args(Resize)],
    "description": "of encoded images of another size: scale them and say so, or refuse; else as the server is set",
}
KEYS: Json = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
FORMAT: Json = {"format": {"type": "string", "enum": ["json", "csv", "html"]}}
WHOLE: Json = {"type": "integer", "minimum": 1}


def document(settings: Settings) -> Json:
    """The whole document."""
    _, found = models_json_schema(
        [*((model, "validation") for model in REQUESTS), *((model, "serialization") for model in ANSWERS)],
        ref_template=REF,
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Weighbridge",
            "version": VERSION,
            "summary": "Image classifiers that show their weight: predictions, scores and where the time went.",
            "description": "Every answer carries X-Request-ID and Server-Timing; every error is an RFC 9457 problem, "
            "under /v2 one in the form of the Open Inference Protocol.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            "/predict": {"post": _predict(settings)},
            "/predict/input": {"post": _look(
                settings, "What the model sees of one image", "SeenInput",
                "The image after decoding and scaling: exactly the pixels that enter the graph.")},
            "/predict/saliency": {"post": _look(
                settings, "Where the model looks in one image", "Occlusion",
                "A patch in the colour of the border covers one place after the other; what each takes from the "
                "probability of the answer. One at a time per worker, through the same queue as /predict.")},
            "/evaluate": {"post": _evaluate()},
            **_jobs(),
            "/models": {"get": _get("List the models", "ModelList")},
            "/routes": {"get": _get("List the routes, and what they have done", "RouteList")},
            "/models/reload": {"post": _reload()},
            "/models/{name}": {"get": _model()},
            "/leaderboard": {"get": _get("What was measured of the models under load", "Leaderboard")},
            "/live": {"get": _get("The counts of all workers, as small JSON", "LiveState")},
            "/reports": {"get": _get("List the HTML reports on this machine", "ReportList")},
            "/reports/{run}/{file}": {"get": _report()},
            "/splits": {"get": _get("List the labelled splits", "SplitList")},
            "/splits/{name}/images/{place}.png": {"get": _picture()},
            "/readyz": {"get": _readyz()},
            "/livez": {"get": _text("Whether the process answers")},
            "/metrics": {"get": _text("Prometheus metrics")},
            **oip.paths(),
        },
        "components": {"schemas": found["$defs"], **({"securitySchemes": KEYS} if settings.api_keys else {})},
        **({"security": [{name: []} for name in KEYS]} if settings.api_keys else {}),
    }


def _predict(settings: Settings) -> Json:
    parameters, content = _images(settings)
    answer = {"application/json": {"schema": _ref("PredictAnswer")}}
    return {
        "summary": "Classify one or many images",
        "description": f"Up to {settings.max_images} images of {settings.max_pixels} pixels in "
        f"{settings.max_body_bytes} bytes. "
        "An image that cannot be used does not fail the others: then the answer is 207.",
        "parameters": parameters,
        "requestBody": {"required": True, "content": content},
        "responses": {
            "200": {"description": "Every image was classified", "content": answer},
            "207": {"description": "Some images were classified; the others say why not", "content": answer},
            **_problems((*TAKING_IMAGES, "wrong-shape", "bad-pixels", "answer-timeout")),
        },
    }


def _images(settings: Settings) -> tuple[list[Json], Json]:
    """The parameters and the bodies of a request that brings images."""
    fields = {"model": MODEL, "runtime": RUNTIME, "top_k": WHOLE, "resize": RESIZE}
    timeout = {
        "type": "number", "minimum": SHORTEST_S,
        "description": f"seconds the sender will wait, since it began; {settings.timeout_s:g} at most",
    }
    form = {
        "type": "object",
        "properties": {"image": BINARY, "file": BINARY, "images": {"type": "array", "items": BINARY}, **fields},
        "anyOf": [{"required": [name]} for name in ("image", "images", "file")],
        "additionalProperties": False,
    }
    content = {
        "multipart/form-data": {"schema": form},
        **{f"image/{kind}": {"schema": BINARY} for kind in ("png", "jpeg", "webp", "bmp")},
        "application/octet-stream": {"schema": {**BINARY, "description": "uint8, n x height x width x channels"}},
        "application/json": {"schema": _ref("PredictRequest")},
    }
    parameters = [
        *(_query(name, schema) for name, schema in {**fields, "timeout": timeout}.items()),
        {"name": "Request-Timeout", "in": "header", "required": False, "schema": timeout,
         "description": "instead of `timeout`, or with the same value"},
    ]
    return parameters, content


def _look(settings: Settings, summary: str, answer: str, description: str) -> Json:
    parameters, content = _images(settings)
    return {
        "summary": summary,
        "description": f"{description} The body is that of /predict with one image.",
        "parameters": parameters,
        "requestBody": {"required": True, "content": content},
        "responses": {**_ok(answer), **_problems((*TAKING_IMAGES, "wrong-shape", "bad-pixels", "answer-timeout"))},
    }


def _report() -> Json:
    return {
        "summary": "One HTML report, which runs in an origin of its own",
        "parameters": [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                       for name in ("run", "file")],
        "responses": {"200": {"description": "The report", "content": {"text/html": {"schema": {"type": "string"}}}},
                      **_problems(("not-found",))},
    }


def _evaluate() -> Json:
    fields = {"model": MODEL, "runtime": RUNTIME, "batch_size": {**WHOLE, "maximum": 4096}}
    split = {"split": {"type": "string", "description": "a name from /splits"}, "limit": WHOLE}
    second = {**MODEL, "description": "a second model, scored on the same images"}
    more = {"compare": second, "job": {"type": "boolean"}}
    images = {"type": "array", "items": BINARY}
    labels = {"type": "array", "items": {"type": "string"}, "description": "a class name or index per image, in order"}
    form = {
        "type": "object",
        "properties": {
            "images": images, "labels": labels, **fields, **more, "limit": WHOLE,
            "data": {
                "type": "array", "items": BINARY, "minItems": 1, "maxItems": 2,
                "description": ".npz, a zip of class folders, Parquet, two IDX files, or a CSV and a zip",
            },
        },
        "anyOf": [{"required": ["images", "labels"]}, {"required": ["data"]}],
        "additionalProperties": False,
    }
    return {
        "summary": "Score a model on labelled images",
        "description": "JSON names a split of this server; a form brings images and labels along, or files of data. "
        "With `job`, the header `Prefer: respond-async`, or more images than WEIGHBRIDGE_EVALUATE_AT_ONCE, the answer "
        "is 202 and the work goes on.",
        "parameters": [_query(name, schema) for name, schema in {**fields, **split, **more, **FORMAT}.items()],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": _ref("EvaluateRequest")},
                "multipart/form-data": {"schema": form},
            },
        },
        "responses": {
            **_scored(),
            "202": {
                "description": "Accepted as a job; Location is its address",
                "content": {"application/json": {"schema": _ref("Job")}},
            },
            **_problems((*TAKING_IMAGES, "unknown-split", "split-mismatch", "bad-data", "bad-labels", "wrong-shape",
                         "answer-timeout")),
        },
    }


def _jobs() -> Json:
    name = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    ended = {"204": {"description": "It had ended, and is forgotten now"}}
    job, result = _get("How far a job is", "Job", ("unknown-job",)), _get("The result of a job", "EvaluateAnswer")
    failures = (*TAKING_IMAGES, "unknown-job", "job-unfinished", "unknown-split", "bad-data", "bad-labels",
                "wrong-shape", "answer-timeout")
    return {
        "/evaluate/jobs": {"get": _get("List the jobs, the newest first", "JobList")},
        "/evaluate/jobs/{id}": {
            "get": {**job, "parameters": [name]},
            "delete": {**job, "summary": "Cancel a job, or forget one that has ended", "parameters": [name],
                       "responses": {**job["responses"], **ended}},
        },
        "/evaluate/jobs/{id}/result": {"get": {
            **result, "parameters": [name, *(_query(each, schema) for each, schema in FORMAT.items())],
            "description": "Of a job that failed, the problem that ended it.",
            "responses": {**_scored(), **_problems(failures)},
        }},
        "/evaluate/jobs/{id}/images": {"get": {
            **_get("Images behind a cell of the confusion matrix", "CellImages", failures),
            "parameters": [
                name, *({**_query(each, {"type": "integer", "minimum": 0}), "required": True}
                        for each in ("label", "predicted")),
                _query("of", {"type": "string", "enum": ["first", "other"]}),
            ],
        }},
    }


def _scored() -> Json:
    text: Json = {"schema": {"type": "string"}}
    answer = {"application/json": {"schema": _ref("EvaluateAnswer")}, "text/csv": text, "text/html": text}
    return {"200": {"description": "Scored", "content": answer}}


def _model() -> Json:
    name = {"name": "name", "in": "path", "required": True, "schema": MODEL}
    operation = _get("One model: its card, versions and runtimes", "ModelVersions", ("unknown-model",))
    return {**operation, "parameters": [name]}


def _reload() -> Json:
    return {
        "summary": "Bring every worker in line with the model folders and the file of routes",
        "description": "Refused unless WEIGHBRIDGE_CONTROL is true. What is refused changes nothing, and the answer "
        "says why.",
        "responses": {**_ok("Readiness"), **_problems(("control-off", "not-ready", "answer-timeout"))},
    }


def _picture() -> Json:
    found = {"200": {"description": "The image; X-Weighbridge-Label says its class", "content": {"image/png": {}}}}
    return {
        "summary": "One image of a split, to try",
        "parameters": [
            {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}},
            {"name": "place", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 0}},
        ],
        "responses": {**found, **_problems(("unknown-split", "not-found"))},
    }


def _readyz() -> Json:
    operation = _get("Whether traffic may come, and per model why not", "Readiness")
    unready = {"description": "Not ready", "content": {"application/json": {"schema": _ref("Readiness")}}}
    return {**operation, "responses": {**operation["responses"], "503": unready}}


def _get(summary: str, answer: str, problems: tuple[str, ...] = ()) -> Json:
    return {"summary": summary, "responses": {**_ok(answer), **_problems(problems)}}


def _text(summary: str) -> Json:
    content = {"text/plain": {"schema": {"type": "string"}}}
    return {"summary": summary, "responses": {"200": {"description": "Text", "content": content}, **_problems(())}}


def _ok(model: str) -> Json:
    return {"200": {"description": "Done", "content": {"application/json": {"schema": _ref(model)}}}}


def _problems(slugs: Iterable[str]) -> Json:
    """One response per status, listing the problem types that have it."""
    by_status: dict[HTTPStatus, list[str]] = {}
    for slug in (*slugs, *ALWAYS):
        by_status.setdefault(PROBLEMS[slug].status, []).append(slug)
    return {
        str(int(status)): {
            "description": "; ".join(f"`{slug}`: {PROBLEMS[slug].title}" for slug in found),
            "content": {
                MEDIA_TYPE: {
                    "schema": {
                        "allOf": [_ref("ProblemDocument")],
                        "properties": {"type": {"enum": [URN + slug for slug in found]}},
                    }
                }
            },
        }
        for status, found in sorted(by_status.items())
    }


def _query(name: str, schema: Json) -> Json:
    return {"name": name, "in": "query", "required": False, "schema": schema}


def _ref(model: str) -> Json:
    return {"$ref": REF.format(model=model)}

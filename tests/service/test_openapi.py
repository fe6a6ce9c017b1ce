"""The OpenAPI document is valid, says what the code does, and a generator of requests finds no answer it forbids."""

from __future__ import annotations

import re
import tomllib
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service.openapi import ALWAYS, document
from service.problems import PROBLEMS, URN
from service.routes import ROUTES
from service.settings import Settings
from service.version import VERSION

DOCUMENT = document(Settings())
API = schemathesis.openapi.from_dict(DOCUMENT)
CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)
PAGES = {"/", "/docs", "/docs.json", "/pages/{file:path}"}  # for people, and the document itself


def test_every_schema_is_a_valid_json_schema() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


def test_every_reference_leads_somewhere() -> None:
    references = set(re.findall(r"#/components/schemas/(\w+)", repr(DOCUMENT)))

    assert references <= set(DOCUMENT["components"]["schemas"])


def test_the_document_has_every_route_with_its_method() -> None:
    described = {(path, method.upper()) for path, methods in DOCUMENT["paths"].items() for method in methods}
    routed = {(route.path, method) for route in ROUTES for method in (route.methods or ()) if method != "HEAD"}

    assert described == {(path, method) for path, method in routed if path not in PAGES}


def test_every_problem_is_described_somewhere() -> None:
    told = repr(DOCUMENT["paths"])
    described = set(re.findall(URN + r"([a-z-]+)", told)) | set(re.findall(r"`([a-z-]+)`: ", told))

    assert described == set(PROBLEMS) - {"method-not-allowed"}  # has no operation of its own
    assert set(ALWAYS) < described


def test_the_version_is_the_project_s() -> None:
    project = tomllib.loads((Path(__file__).parent.parent.parent / "pyproject.toml").read_text())["project"]

    assert project["version"] == VERSION


@pytest.mark.parametrize(("path", "method"), [
    ("/predict", "POST"), ("/evaluate", "POST"), ("/evaluate/jobs/{id}", "DELETE"),
    ("/evaluate/jobs/{id}/result", "GET"), ("/models", "GET"), ("/models/{name}", "GET"),
    ("/predict/input", "POST"), ("/predict/saliency", "POST"), ("/evaluate/jobs/{id}/images", "GET"),
    ("/reports/{run}/{file}", "GET"), ("/live", "GET"), ("/leaderboard", "GET"), ("/splits", "GET"),
    ("/splits/{name}/images/{place}.png", "GET"), ("/readyz", "GET"),
    ("/routes", "GET"), ("/models/reload", "POST"), ("/v2/models/{model}", "GET"), ("/v2/models/{model}/infer", "POST"),
    ("/v2/models/{model}/versions/{version}/ready", "GET"), ("/v2/models/{model}/stats", "GET"),
    ("/v2/repository/index", "POST"), ("/v2/repository/models/{model}/unload", "POST"),
])
def test_generated_requests_get_only_answers_the_document_allows(http: httpx.Client, path: str, method: str) -> None:
    operation = API[path][method]
    wrong = operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(case=st.one_of(operation.as_strategy(), wrong))
    def run(case: Any) -> None:
        answer = case.call(base_url=str(http.base_url))
        in_time = answer.status_code != HTTPStatus.GATEWAY_TIMEOUT or not _set_a_deadline(case)
        case.validate_response(answer, checks=CHECKS if in_time else CHECKS[1:])

    run()


def _set_a_deadline(case: Any) -> bool:
    return "timeout" in (case.query or {}) or "Request-Timeout" in (case.headers or {})

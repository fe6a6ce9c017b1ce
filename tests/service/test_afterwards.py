"""What is told when the answer has gone: lines and spans, complete, in order, and never in anybody's way."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from process import REPOSITORY, Process

from service import afterwards as module
from service.afterwards import Account, Afterwards
from service.settings import SettingError, Settings, telemetry
from service.tracing import spans
from service.visit import Visit

ClientOf = Callable[[Settings], Any]
RAW = {"Content-Type": "application/octet-stream"}


def finished(status: int = 200, **headers: str) -> Account:
    visit = Visit({name.encode(): value.encode() for name, value in headers.items()})
    visit.status, visit.images, visit.model, visit.runtime = status, 2, "toy@1", "onnxruntime"
    visit.watch.ns.update(parse=1_000_000, infer=2_000_000)
    return Account(1_700_000_000_000_000_000, visit, "POST", "/predict", "/predict")


def test_a_line_says_who_asked_what_and_where_the_time_went(
    toy_models: Path, client_of: ClientOf, capsys: pytest.CaptureFixture[str]
) -> None:
    async def run() -> httpx.Response:
        async with client_of(Settings(models=(toy_models,), access_log=True)) as client:
            return await client.post("/predict", content=bytes(32), headers={**RAW, "X-Request-ID": "mine"})  # type: ignore[no-any-return]

    answer = anyio.run(run)
    lines = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
    line = next(each for each in lines if each["request_id"] == "mine")

    assert {name: line[name] for name in ("method", "route", "path", "status", "model", "runtime", "images")} == {
        "method": "POST", "route": "/predict", "path": "/predict", "status": 200, "model": "toy@1",
        "runtime": "onnxruntime", "images": 2,
    }
    assert (line["bytes_in"], line["bytes_out"]) == (32, len(answer.content))
    assert {"infer", "encode", "total"} <= set(line["ms"])


def test_nobody_listens_unless_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)

    assert module.afterwards(Settings(), lambda: None) is None


def test_all_is_told_in_order_before_the_end_and_what_is_too_much_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    dropped: list[int] = []

    def tell(accounts: Sequence[Account]) -> None:
        told.extend(account.visit.status for account in accounts)

    monkeypatch.setattr(module, "MOST", 50)
    monkeypatch.setattr(module, "EVERY_S", 60.0)
    after = Afterwards([tell], lambda: dropped.append(1))
    for status in range(60):
        visit = Visit({})
        visit.status = status
        after.add(visit, "GET", "/", "/")
    after.close()

    assert told == list(range(50))
    assert len(dropped) == 10


def test_a_teller_that_fails_keeps_no_other_from_telling(caplog: pytest.LogCaptureFixture) -> None:
    told: list[Account] = []

    def fail(accounts: Sequence[Account]) -> None:
        raise OSError("the disk is full")

    after = Afterwards([fail, told.extend], lambda: None)
    after.add(Visit({}), "GET", "/", "/")
    after.close()

    assert len(told) == 1
    assert "1 requests could not be told" in caplog.text


def test_an_output_that_is_closed_keeps_nobody_from_telling(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Account] = []

    def closed(lines: Sequence[bytes]) -> None:
        raise ValueError("I/O operation on closed file")

    monkeypatch.setattr(module, "_write", closed)
    after = Afterwards([told.extend], lambda: None, lines=True)
    after.add(Visit({}), "GET", "/", "/")
    after.close()

    assert len(told) == 1
    assert "1 requests could not be told" in caplog.text


@pytest.mark.parametrize(("environ", "exporter"), [
    ({}, None),
    ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, None),
    ({"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "console"}, None),
    ({"OTEL_TRACES_EXPORTER": "console"}, "console"),
    ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, "otlp"),
    ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"}, "otlp"),
])
def test_tracing_is_on_where_an_exporter_is_configured(environ: dict[str, str], exporter: str | None) -> None:
    assert telemetry(environ) == exporter


def test_an_exporter_that_is_not_installed_stops_the_start_with_the_cure() -> None:
    with pytest.raises(SettingError, match="install opentelemetry-exporter-otlp-proto-http as docs"):
        spans({"OTEL_TRACES_EXPORTER": "otlp"})
    with pytest.raises(SettingError, match="'jaeger' is not known"):
        spans({"OTEL_TRACES_EXPORTER": "jaeger"})


def test_a_request_is_a_span_of_the_callers_trace_and_its_stages_lie_inside() -> None:
    exporter = InMemorySpanExporter()
    tell = spans({}, exporter)
    assert tell is not None

    tell([finished(traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")])
    parse, infer, whole = exporter.get_finished_spans()

    assert (parse.name, infer.name, whole.name) == ("parse", "infer", "POST /predict")
    assert f"{whole.context.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert whole.parent is not None
    assert f"{whole.parent.span_id:016x}" == "b7ad6b7169203331"
    assert {parse.parent.span_id, infer.parent.span_id} == {whole.context.span_id}  # type: ignore[union-attr]
    assert (whole.start_time, parse.end_time, infer.end_time) == (
        1_699_999_999_997_000_000, 1_699_999_999_998_000_000, whole.end_time)
    assert dict(whole.attributes or {})["weighbridge.model"] == "toy@1"
    assert whole.resource.attributes["service.name"] == "weighbridge"


def test_a_failure_of_ours_is_an_error_in_the_trace_and_one_of_the_client_is_not() -> None:
    exporter = InMemorySpanExporter()
    tell = spans({}, exporter)
    assert tell is not None

    tell([finished(500), finished(422)])
    failed, refused = (span for span in exporter.get_finished_spans() if span.name.startswith("POST"))

    assert (failed.status.status_code.name, refused.status.status_code.name) == ("ERROR", "UNSET")


def test_without_an_exporter_the_sdk_is_not_even_imported() -> None:
    code = """
import sys
from service.routes import build
from service.settings import Settings
build(Settings())
sys.exit(any(name.startswith("opentelemetry") for name in sys.modules))
"""

    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0


def test_a_real_server_prints_spans_and_lines_before_it_ends(models: Path, tmp_path: Path) -> None:
    process = Process(models, tmp_path, WEIGHBRIDGE_DEFAULT_MODEL="toy", WEIGHBRIDGE_ACCESS_LOG="true",
                      OTEL_TRACES_EXPORTER="console")
    try:
        process.wait_until_ready()
        httpx.post(f"{process.url}/predict", content=bytes(16), headers={**RAW, "X-Request-ID": "spanned"})
    finally:
        process.stop()
    log = process.log.read_text()

    assert '"request_id":"spanned"' in log
    assert '"weighbridge.request_id": "spanned"' in log
    assert '"name": "infer"' in log

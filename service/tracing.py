"""OpenTelemetry spans, where an exporter is configured with the variables of its own specification, and only there.

    OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318     needs opentelemetry-exporter-otlp-proto-http
    OTEL_TRACES_EXPORTER=console                          prints spans; `none` turns tracing off

A request is one span, its stages are spans inside it, and a `traceparent` header makes it part of the caller's trace.
They are made after the answer has gone, from the times that were taken anyway, in the thread of `afterwards.py`;
sampling (OTEL_TRACES_SAMPLER), the service's name and everything else follow the SDK's own variables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from service.settings import SettingError, telemetry

if TYPE_CHECKING:
    from service.afterwards import Account

OTLP = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
CURE = "install opentelemetry-exporter-otlp-proto-http as docs/operations.md says, or unset the variable"


def spans(environ: Mapping[str, str] | None = None, exporter: Any = None) -> Callable[[Sequence[Account]], None] | None:
    """What turns accounts into spans; None, without importing anything, where no exporter is configured."""
    wanted = telemetry(environ)
    if wanted is None and exporter is None:
        return None
    return _Spans(exporter or _exporter(wanted or ""), simple=exporter is not None)


def _exporter(wanted: str) -> Any:
    """The exporter of this name in OTEL_TRACES_EXPORTER; SettingError where it is not installed."""
    if wanted == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        return ConsoleSpanExporter()
    if wanted != "otlp":
        raise SettingError(f"OTEL_TRACES_EXPORTER={wanted!r} is not known here; use otlp, console or none")
    try:
        found = find_spec(OTLP)
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise SettingError(f"traces are to be exported, but the exporter is not installed; {CURE}")
    return import_module(OTLP).OTLPSpanExporter()


class _Spans:
    """Makes spans in the past."""

    def __init__(self, exporter: Any, *, simple: bool) -> None:
        from opentelemetry.propagate import extract
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

        resource = Resource.create()  # reads OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES
        if str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
            resource = resource.merge(Resource({"service.name": "weighbridge"}))
        provider = TracerProvider(resource=resource)
        provider.add_span_processor(SimpleSpanProcessor(exporter) if simple else BatchSpanProcessor(exporter))
        self.close = provider.shutdown  # exports what is left
        self._tracer = provider.get_tracer("weighbridge")
        self._extract, self._inside, self._kind = extract, set_span_in_context, SpanKind.SERVER
        self._failed = Status(StatusCode.ERROR)

    def __call__(self, accounts: Sequence[Account]) -> None:
        """Export these."""
        for account in accounts:
            self._one(account)

    def _one(self, account: Account) -> None:
        visit = account.visit
        headers = {name: visit.sent[name.encode()].decode("latin-1") for name in ("traceparent", "tracestate")
                   if name.encode() in visit.sent}
        begins = account.ended_ns - sum(visit.watch.ns.values())
        span = self._tracer.start_span(
            f"{account.method} {account.route}", self._extract(headers), self._kind, start_time=begins,
            attributes={
                "http.request.method": account.method, "http.route": account.route, "url.path": account.path,
                "http.response.status_code": visit.status, "weighbridge.request_id": visit.id,
                **({"weighbridge.model": visit.model, "weighbridge.runtime": visit.runtime or "",
                    "weighbridge.images": visit.images} if visit.model else {}),
            },
        )
        if span.is_recording():
            inside = self._inside(span)
            for stage, ns in visit.watch.ns.items():
                if ns:
                    part = self._tracer.start_span(stage, inside, start_time=begins)
                    begins += ns
                    part.end(begins)
        if visit.status >= 500:
            span.set_status(self._failed)
        span.end(account.ended_ns)

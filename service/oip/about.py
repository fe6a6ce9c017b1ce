"""What the server and its models say about themselves in this protocol: health, metadata, configuration, statistics."""

from __future__ import annotations

from collections import defaultdict
from http import HTTPStatus

from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from service.health import readiness
from service.metrics import Metrics
from service.oip.infer import output_names, wanted_model
from service.oip.messages import (
    ConfigTensor,
    Duration,
    InferenceStats,
    Live,
    ModelConfig,
    ModelMetadata,
    ModelStats,
    Ready,
    ServerMetadata,
    Stats,
    TensorMetadata,
)
from service.oip.tensors import ENCODED, IMAGE, MODEL, PROBABILITIES
from service.problems import Problem
from service.routing import plan_for
from service.state import state_of
from service.version import VERSION
from service.visit import visit_of

EXTENSIONS = [
    "binary_tensor_data", "classification", "model_configuration", "model_repository", "parameters", "statistics",
]
# Triton's words where it has one for the runtime.
PLATFORMS = {
    **dict.fromkeys(("onnxruntime", "onnxruntime-int8", "onnxruntime-graphs", "tensorrt"), "onnxruntime_onnx"),
    "openvino": "openvino", "torchscript": "pytorch_libtorch", "torchexport": "pytorch_export",
    "aotinductor": "torch_aoti",
}
Totals = dict[tuple[str, str], float]


async def server(request: Request) -> Response:  # noqa: ARG001 - the signature of a route
    """Answer GET /v2."""
    return oip_json(ServerMetadata(name="weighbridge", version=VERSION, extensions=EXTENSIONS))


async def live(request: Request) -> Response:  # noqa: ARG001
    """Answer GET /v2/health/live."""
    return oip_json(Live(live=True))


async def ready(request: Request) -> Response:
    """Answer GET /v2/health/ready; the protocol says no with 4xx."""
    found = readiness(state_of(request)).ready
    return oip_json(Ready(ready=found), HTTPStatus.OK if found else HTTPStatus.BAD_REQUEST)


async def model_ready(request: Request) -> Response:
    """Answer GET /v2/models/{model}[/versions/{version}]/ready."""
    wanted = wanted_model(request)
    try:
        await plan_for(state_of(request), wanted, None, visit_of(request))
    except Problem as problem:
        if problem.slug != "not-ready":
            raise
        return oip_json(Ready(name=request.path_params["model"], ready=False), HTTPStatus.BAD_REQUEST)
    return oip_json(Ready(name=request.path_params["model"], ready=True))


async def model_metadata(request: Request) -> Response:
    """Answer GET /v2/models/{model}[/versions/{version}]."""
    state = state_of(request)
    plan = await plan_for(state, wanted_model(request), None, visit_of(request))
    card = plan.opened.card
    tensors = {
        PROBABILITIES: TensorMetadata(name=PROBABILITIES, datatype="FP32", shape=[-1, len(card.classes)]),
        MODEL: TensorMetadata(name=MODEL, datatype="BYTES", shape=[-1]),
    }
    versions = [str(entry.version) for entry in state.shelf if entry.name == card.name and entry.state == "ready"]
    return oip_json(ModelMetadata(
        name=plan.route or card.name,
        versions=None if plan.route else versions,
        platform=PLATFORMS[plan.opened.run.name],
        inputs=[TensorMetadata(name=IMAGE, datatype="UINT8", shape=[-1, *card.input.shape])],
        outputs=[tensors[name] for name in output_names(plan)],
    ))


async def model_config(request: Request) -> Response:
    """Answer GET /v2/models/{model}[/versions/{version}]/config."""
    state = state_of(request)
    plan = await plan_for(state, wanted_model(request), None, visit_of(request))
    card = plan.opened.card
    tensors = {
        PROBABILITIES: ConfigTensor(name=PROBABILITIES, data_type="TYPE_FP32", dims=[len(card.classes)]),
        MODEL: ConfigTensor(name=MODEL, data_type="TYPE_STRING", dims=[]),
    }
    return oip_json(ModelConfig(
        name=plan.route or card.name,
        platform=PLATFORMS[plan.opened.run.name],
        backend=plan.opened.run.name,
        max_batch_size=state.settings.max_images,
        input=[
            ConfigTensor(name=IMAGE, data_type="TYPE_UINT8", dims=list(card.input.shape), format="FORMAT_NHWC"),
            ConfigTensor(name=ENCODED, data_type="TYPE_STRING", dims=[1], optional=True),
        ],
        output=[tensors[name] for name in output_names(plan)],
    ))


async def stats(request: Request) -> Response:
    """Answer GET /v2/models[/{model}[/versions/{version}]]/stats."""
    state = state_of(request)
    entries = list(state.shelf)
    if "model" in request.path_params:
        wanted = wanted_model(request)
        name, _, version = wanted.partition("@")
        entries = [entry for entry in state.shelf.versions(name) if version in ("", str(entry.version))]
        if not entries:
            raise Problem("unknown-model", f"{name[:80]} has no version {version[:20]!r}", field="model",
                          cure="see /v2/repository/index")
    found = await run_in_threadpool(_totals, state.metrics)
    return oip_json(Stats(model_stats=[_stats(entry.name, entry.version, found) for entry in entries]))


def oip_json(answer: BaseModel, status: int = HTTPStatus.OK) -> Response:
    """One of our messages."""
    return Response(answer.model_dump_json(exclude_none=True), status, media_type="application/json")


def _totals(metrics: Metrics) -> Totals:
    """Sums over all runtimes and workers by (model, what): images, requests, calls, and seconds per stage."""
    found: Totals = defaultdict(float)
    for family in metrics.collect():
        for sample in family.samples:
            model = sample.labels.get("model", "")
            if sample.name == "weighbridge_images_sum":
                found[model, "images"] += sample.value
            elif sample.name == "weighbridge_images_count":
                found[model, "requests"] += sample.value
            elif sample.name == "weighbridge_batch_images_count":
                found[model, "calls"] += sample.value
            elif sample.name == "weighbridge_stage_seconds_sum":
                found[model, sample.labels["stage"]] += sample.value
    return found


def _stats(name: str, version: int, found: Totals) -> ModelStats:
    model = f"{name}@{version}"
    requests = int(found[model, "requests"])

    def spent(*stages: str) -> Duration:
        return Duration(count=requests, ns=int(sum(found[model, stage] for stage in stages) * 1e9))

    return ModelStats(
        name=name,
        version=str(version),
        inference_count=int(found[model, "images"]),
        execution_count=int(found[model, "calls"]),  # of the runtime, each for a batch
        inference_stats=InferenceStats(
            success=spent("read", "parse", "decode", "queue", "infer", "encode"),
            queue=spent("queue"),
            compute_input=spent("read", "parse", "decode"),
            compute_infer=spent("infer"),
            compute_output=spent("encode"),
        ),
    )

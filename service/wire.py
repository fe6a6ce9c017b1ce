"""What goes over the wire: every request and every answer as a pydantic model, and nothing that computes.

The OpenAPI document is made from these classes, and the tests check real answers against them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from service.card import ModelCard

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Share = Annotated[float, Field(ge=0, le=1)]

_PIXEL = {"type": "integer", "minimum": 0, "maximum": 255}
_ROW = {"type": "array", "items": _PIXEL}
Item = Annotated[
    Any,
    WithJsonSchema({
        "title": "Item",
        "oneOf": [
            {"type": "string", "description": "an encoded image (PNG, JPEG, WebP, BMP) as base64 or as a data: URL"},
            {"type": "array", "items": _ROW, "description": "grey pixels, height x width"},
            {
                "type": "array",
                "items": {"type": "array", "items": _ROW},
                "description": "pixels, height x width x channels",
            },
        ],
    }),
]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class PredictRequest(_Request):
    """The JSON form of /predict. One of `image` and `images` is required."""

    model: str | None = Field(default=None, description="`name` (its newest ready version) or `name@version`")
    runtime: str | None = Field(default=None, description="one of the model's usable runtimes")
    top_k: int | None = Field(default=None, ge=1, description="labels per image, at most the model's classes")
    resize: Literal["fit", "exact"] | None = Field(default=None, description="for encoded images; else as the server")
    image: Item = None
    images: list[Item] | None = Field(default=None, min_length=1)


class EvaluateRequest(_Request):
    """The JSON form of /evaluate: score a model on a labelled split that the server holds."""

    model: str | None = Field(default=None, description="`name` (its newest ready version) or `name@version`")
    runtime: str | None = Field(default=None, description="one of the model's usable runtimes")
    split: str | None = Field(default=None, description="a name from /splits; may be left out where only one fits")
    limit: int | None = Field(default=None, ge=1, description="score only the first `limit` images")
    batch_size: int = Field(default=64, ge=1, le=4096, description="images per call of the runtime")
    compare: str | None = Field(default=None, description="a second model, to be scored on the same images")
    job: bool | None = Field(
        default=None, description="answer 202 and work on; left out, only where there are very many images"
    )


class ProblemDocument(_Answer):
    """RFC 9457 problem details."""

    type: str = Field(pattern=r"^urn:weighbridge:problem:[a-z-]+$", description="stable; compare this")
    title: str
    status: int = Field(ge=400, le=599)
    detail: str
    field: str | None = Field(default=None, description="the part of the request at fault")
    limit: int | float | None = Field(default=None, description="the bound that was broken")
    cure: str | None = Field(default=None, description="what to do about it")
    request_id: str | None = None
    errors: list[ProblemDocument] | None = Field(default=None, description="one per image, where every one failed")


class Choice(_Answer):
    """One class and how probable the model holds it."""

    label: str
    index: int = Field(ge=0)
    probability: Share


class Size(_Answer):
    """Pixels of an image as it was sent, upright."""

    width: int = Field(ge=1)
    height: int = Field(ge=1)


class Prediction(_Answer):
    """The answer for one image: the most probable class, and the `top_k` of them in falling order."""

    status: Literal[200] = 200
    label: str
    index: int = Field(ge=0)
    probability: Share
    top: list[Choice]
    resized: bool = Field(description="whether the image was scaled to the model's size")
    original_size: Size | None = Field(default=None, description="present when the image was scaled")
    model: str | None = Field(default=None, description="of a cascade: name@version of the model that answered this")


class FailedItem(_Answer):
    """What stands in the place of an image that could not be used. Its neighbours are not affected."""

    status: int = Field(ge=400, le=599)
    error: ProblemDocument


class PredictAnswer(_Answer):
    """`predictions` has one entry per image, in the order of the request. Of a cascade, `model` is the small one."""

    model: str
    version: int
    runtime: str
    device: str
    route: str | None = Field(default=None, description="the route that was asked for, where it was one")
    predictions: list[Prediction | FailedItem]


class ClassScore(_Answer):
    """One class of an evaluation. A ratio whose denominator is zero is 0."""

    label: str
    precision: Share
    recall: Share
    f1: Share
    support: int = Field(ge=0, description="images that really are of this class")


class Average(_Answer):
    """Precision, recall and F1 averaged over classes."""

    precision: Share
    recall: Share
    f1: Share


class Interval(_Answer):
    """A 95 % Wilson score interval."""

    low: Share
    high: Share


class Percentiles(_Answer):
    """Milliseconds."""

    p50: float
    p90: float
    p99: float
    mean: float


class Latency(_Answer):
    """Time in the runtime alone: per call (`batch_ms`), and per call divided by its images (`image_ms`).

    A job gives way to /predict, and its calls wait for a core where there is a lot to do: weigh with /predict instead.
    """

    batch_size: int
    batches: int
    batch_ms: Percentiles
    image_ms: Percentiles


class TopK(_Answer):
    """How often the true class is among the `k` most probable."""

    k: int = Field(ge=1)
    accuracy: Share


class ReliabilityBin(_Answer):
    """Images whose probability of the predicted class lies in (low, high]; the shares are absent where none does."""

    low: Share
    high: Share
    count: int = Field(ge=0)
    accuracy: Share | None = None
    confidence: Share | None = Field(default=None, description="mean probability of the predicted class")


class Mistake(_Answer):
    """An image whose class was missed, and how sure the model was of the wrong one."""

    place: int = Field(ge=0, description="of the image among those scored")
    name: str | None = Field(default=None, description="the file it came from, where it has a name")
    label: str = Field(description="the true class")
    predicted: str
    probability: Share
    thumbnail: str | None = Field(default=None, description="a data: URL; only the HTML answer has it")


class SplitUsed(_Answer):
    """Which images were scored. `sha256` and `count` are those of the whole split, absent for uploaded images."""

    name: str
    sha256: Sha256 | None = None
    count: int | None = Field(default=None, ge=1)


class EvaluateAnswer(_Answer):
    """How a model did on labelled images. Of a cascade, `model` is the small one."""

    model: str
    version: int
    runtime: str
    device: str
    route: str | None = Field(default=None, description="the route that was asked for, where it was one")
    split: SplitUsed
    count: int = Field(ge=1)
    correct: int = Field(ge=0)
    accuracy: Share
    interval: Interval
    balanced_accuracy: Share = Field(description="mean recall of the classes that the labels have")
    top_k: list[TopK]
    macro: Average
    micro: Average
    weighted: Average
    classes: list[ClassScore]
    confusion: list[list[int]] = Field(description="row: the true class, column: the predicted class")
    log_loss: float = Field(ge=0, description="mean negative log-likelihood, nats; probabilities clipped at 2.2e-16")
    brier: float = Field(ge=0, le=2.00001, description="mean squared distance to the one-hot truth, over all classes")
    ece: Share = Field(description="expected calibration error over the bins of `reliability`")
    reliability: list[ReliabilityBin]
    mistakes: list[Mistake] = Field(description="those the model was most sure of, the surest first")
    latency: Latency
    throughput: float = Field(ge=0, description="images per second in the runtime")
    made: float | None = Field(default=None, description="seconds since 1970")
    made_by: str | None = Field(default=None, description="version of Weighbridge")
    comparison: Comparison | None = Field(default=None, description="present where a second model was asked for")
    cells: list[Cell] | None = Field(default=None, description="kept with a job, for its `images`; never sent")


class Cell(_Answer):
    """Some images of one cell of the confusion matrix, the surest first; the lists have one entry each."""

    label: int
    predicted: int
    places: list[int]
    probabilities: list[Share]
    names: list[str | None] | None = None
    thumbnails: list[str] | None = None


class Comparison(_Answer):
    """Two models on the same images: the first is the one the answer is about, the second is `other`."""

    other: EvaluateAnswer
    only_first: int = Field(ge=0, description="images that only the first has right")
    only_second: int = Field(ge=0, description="images that only the second has right")
    p_value: Share = Field(description="McNemar's exact test, two-sided")
    difference: float = Field(ge=-1, le=1, description="accuracy of the first minus that of the second")
    low: float = Field(ge=-1, le=1, description="of the 95 % interval of the difference (Bonett and Price)")
    high: float = Field(ge=-1, le=1)


JobState = Literal["queued", "running", "done", "failed", "cancelled"]


class Job(_Answer):
    """An evaluation that works on by itself. Times are seconds since 1970, UTC."""

    id: str
    state: JobState
    model: str = Field(description="name@version, fixed when the job was accepted")
    compare: str | None = None
    data: str = Field(description="the split, or `uploaded`")
    images: int = Field(ge=1, description="to be scored, by every model")
    done: int = Field(ge=0, description="scored so far, over all models")
    progress: Share
    left_s: float | None = Field(default=None, description="expected, once there is something to expect it from")
    created: float
    started: float | None = None
    ended: float | None = None
    attempts: int = Field(ge=0, description="more than one: the process that did the work died, and it was resumed")
    problem: ProblemDocument | None = Field(default=None, description="why it failed")
    url: str = Field(description="of this document")
    result: str | None = Field(default=None, description="address of the result, once it is done")


class JobList(_Answer):
    """Every job that is remembered, the newest first."""

    jobs: list[Job]


class RuntimeState(_Answer):
    """One way to run a model on this server. `reason` says why not, where `usable` is false."""

    name: str
    format: str
    usable: bool
    open: bool = Field(description="already loaded and checked")
    device: str | None = None
    threads: int | None = None
    version: str | None = None
    reason: str | None = None


class ModelState(_Answer):
    """One version of one model: its card, and what this server can do with it."""

    name: str
    version: int
    ready: bool
    default: bool = Field(description="answers when a request names no model")
    reason: str | None = Field(default=None, description="why it is not ready")
    size_bytes: int | None = Field(default=None, description="of the file the default runtime reads")
    runtimes: list[RuntimeState]
    card: ModelCard | None = Field(default=None, description="absent when the card itself cannot be read")


class ModelList(_Answer):
    """Everything found under the model roots, ready or not."""

    default: str | None = Field(default=None, description="absent while none is ready")
    models: list[ModelState]


class ModelVersions(_Answer):
    """All versions of one name; `model` is the one that a request for the bare name gets."""

    name: str
    versions: list[int]
    model: ModelState


class ShadowState(_Answer):
    """A challenger, and how its answers compare; counts are images over all workers since the server started."""

    model: str
    share: float
    agreed: int
    differed: int
    dropped: int = Field(description="there was no time to compare them")
    failed: int = Field(description="the challenger could not answer")
    agreement: Share | None = Field(default=None, description="agreed / (agreed + differed)")


class CascadeState(_Answer):
    """A cascade, and what it saves; counts are images over all workers since the server started."""

    small: str
    large: str
    threshold: float
    by_small: int
    by_large: int
    cost: float | None = Field(default=None, description="expected time in the runtime / that of the large model alone")


class RouteState(_Answer):
    """One route of the operator's file."""

    name: str
    ready: bool
    reason: str | None = Field(default=None, description="why it cannot be used")
    champion: str | None = None
    shadow: ShadowState | None = None
    cascade: CascadeState | None = None


class RouteList(_Answer):
    """Every route in force; `problem` says why the file as it is now is not."""

    routes: list[RouteState]
    problem: str | None = None


class SplitState(_Answer):
    """A labelled split that /evaluate can use."""

    name: str
    dataset: str
    split: str
    classes: list[str]
    count: int
    shape: tuple[int, int, int] = Field(description="height, width, channels")
    sha256: Sha256
    licence: str


class SplitList(_Answer):
    """The labelled splits this server holds; `problems` names those that cannot be used."""

    splits: list[SplitState]
    problems: list[str]


class ModelReadiness(_Answer):
    """A line of /readyz."""

    model: str = Field(description="name@version, or the folder where the card cannot be read")
    state: Literal["loading", "ready", "failed", "unloaded"]
    reason: str | None = None


class Readiness(_Answer):
    """Ready when loading has finished and the default model is ready; other models may have failed."""

    ready: bool
    reason: str | None = None
    models: list[ModelReadiness]
    routes: str | None = Field(default=None, description="why the file of routes as it is now is not in force")


class SeenInput(_Answer):
    """One image as it enters the graph of a model, whose first step is the normalisation."""

    model: str
    version: int
    height: int
    width: int
    channels: int
    resized: bool
    original_size: Size | None = Field(default=None, description="present when the image was scaled")
    image: str = Field(description="a data: URL, PNG")


class Occlusion(_Answer):
    """What a covered patch takes from the probability of the answer: `drops[i][j]` with the patch's upper left corner
    at (`rows[i]`, `columns[j]`). Negative where the model is surer without what lies there."""

    model: str
    version: int
    runtime: str
    label: str
    index: int = Field(ge=0)
    probability: Share
    height: int
    width: int
    patch: list[int] = Field(min_length=2, max_length=2, description="height, width, pixels")
    rows: list[int]
    columns: list[int]
    drops: list[list[float]]
    runs: int = Field(description="images that the model was run on for this")


class LiveModel(BaseModel):
    """One model's counts since the server started. Histograms are per bucket, the last without an upper bound."""

    model: str
    runtime: str
    requests: int
    images: int
    infer: list[int] = Field(description="seconds in the runtime, by `second_bounds`")
    queue: list[int] = Field(description="seconds of waiting, by `second_bounds`")
    waiting: int = Field(default=0, description="requests in the queue now")
    batches: list[int] = Field(default_factory=list, description="calls of the runtime by their images, `size_bounds`")
    batched: int = Field(default=0, description="images of all these calls")


class LiveState(_Answer):
    """What all workers have counted since the server started, and how they are now. `at` is seconds since 1970."""

    at: float
    workers: int
    in_flight: int
    resident_bytes: int
    load_offered: bool = Field(description="whether the page may offer a short load")
    second_bounds: list[float]
    size_bounds: list[int]
    statuses: dict[str, int] = Field(description="answers to predictions by status")
    seconds: list[int] = Field(description="predictions by their seconds in the server, `second_bounds`")
    models: list[LiveModel]
    refused: dict[str, dict[str, int]] = Field(description="by model and problem, once the model was found")
    problems: dict[str, int] = Field(description="all refusals by problem")


class Report(_Answer):
    """An HTML report on this machine."""

    kind: str = Field(description="weighing, comparison or training")
    run: str
    file: str
    created: float = Field(description="seconds since 1970")
    size_bytes: int
    url: str


class ReportList(_Answer):
    """Every report that was found, the newest first."""

    reports: list[Report]


class CellImage(_Answer):
    """One image of a cell of a confusion matrix."""

    place: int = Field(ge=0, description="of the image among those scored")
    name: str | None = Field(default=None, description="the file it came from, where it has a name")
    probability: Share = Field(description="of the predicted class")
    url: str | None = Field(default=None, description="of the image, where it is one of a split")
    thumbnail: str | None = Field(default=None, description="a data: URL, of an uploaded image")


class CellImages(_Answer):
    """Images of one true class that were taken for one class, the surest first."""

    model: str
    label: str
    predicted: str
    count: int = Field(ge=0, description="of all such images; `images` has the first of them")
    images: list[CellImage]

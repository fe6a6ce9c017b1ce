"""What goes over the wire, in the protocol's own names. `data` stays untouched: a model's shape decides about it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

RepositoryState = Literal["READY", "LOADING", "UNAVAILABLE"]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class InputTensor(_Request):
    """`image` (UINT8, n x height x width x channels) or `encoded` (BYTES, n files; base64 inside JSON)."""

    name: str
    shape: list[int] = Field(max_length=8)
    datatype: str
    parameters: dict[str, Any] = Field(default_factory=dict, description="binary_data_size")
    data: list[Any] | None = Field(default=None, description="flat or nested; absent where the data is binary")


class RequestedOutput(_Request):
    """`probabilities`, or of a cascade `model`."""

    name: str
    parameters: dict[str, Any] = Field(default_factory=dict, description="binary_data, classification")


class InferRequest(_Request):
    """The JSON part of an inference request."""

    id: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict, description="binary_data_output, runtime, timeout")
    inputs: list[InputTensor] = Field(min_length=1)
    outputs: list[RequestedOutput] | None = None


class OutputTensor(_Answer):
    """One tensor of the answer."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] | None = None
    data: list[Any] | None = None


class InferAnswer(_Answer):
    """The JSON part of an answer."""

    model_name: str
    model_version: str | None = None
    id: str | None = None
    outputs: list[OutputTensor]


class OipError(_Answer):
    """What went wrong."""

    error: str


class ServerMetadata(_Answer):
    """Who answers."""

    name: str
    version: str
    extensions: list[str]


class Live(_Answer):
    """Whether the server runs."""

    live: bool


class Ready(_Answer):
    """Whether the server, or a model, takes requests."""

    name: str | None = None
    ready: bool


class TensorMetadata(_Answer):
    """One input or output; -1 stands for any number of images."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(_Answer):
    """What a model takes and gives."""

    name: str
    versions: list[str] | None = None
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ConfigTensor(_Answer):
    """One tensor of a Triton configuration; `dims` without the batch."""

    name: str
    data_type: str
    dims: list[int]
    format: str | None = None
    optional: bool | None = None


class ModelConfig(_Answer):
    """The parts of a Triton model configuration that have a meaning here."""

    name: str
    platform: str
    backend: str
    max_batch_size: int
    input: list[ConfigTensor]
    output: list[ConfigTensor]


class Duration(_Answer):
    """How often, and how long altogether."""

    count: int
    ns: int


class InferenceStats(_Answer):
    """Where the time of the successful requests went."""

    success: Duration
    queue: Duration
    compute_input: Duration
    compute_infer: Duration
    compute_output: Duration


class ModelStats(_Answer):
    """Of one version, since the server started, over all workers. `inference_count` counts images."""

    name: str
    version: str
    inference_count: int
    execution_count: int
    inference_stats: InferenceStats


class Stats(_Answer):
    """Statistics of some or all models."""

    model_stats: list[ModelStats]


class IndexRequest(_Request):
    """Which models to list."""

    ready: bool = False


class IndexEntry(_Answer):
    """One version in the repository."""

    name: str
    version: str
    state: RepositoryState
    reason: str


class RepositoryRequest(_Request):
    """The body of load and unload, which may be empty."""

    parameters: dict[str, Any] = Field(default_factory=dict)

"""A recipe: everything that decides what a training run learns, as data. Knows nothing of torch.

A recipe holds no measured number. `floor` is the one exception, because code checks it, and `reported` quotes a
report. Both stay outside the fingerprint, like the prose: they do not change what is learned. Neither does the
machine's side (device, precision, threads), which is `training.execution`'s and is recorded in each run.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from types import MappingProxyType
from typing import Any, NamedTuple

from training.own.store import is_own
from training.protocol import PROTOCOLS, Protocol, clean

# The names that recipes may use. The tables behind them need torch; a test keeps both sides equal.
CHOICES: dict[str, tuple[str, ...]] = {
    "dataset": ("fashion-mnist", "cifar10", "cifar10-jpeg"),
    "architecture": (
        "mlp", "tinyvgg", "mixer", "cnn", "gated-cnn", "fastnet", "resnet18", "googlenet", "vit",
    ),
    "init": ("default", "kaiming-uniform", "kaiming-normal", "xavier-uniform", "xavier-normal"),
    "optimizer": ("sgd", "adam", "adamw", "asgd", "rmsprop", "adagrad", "muon"),
    "schedule": ("constant", "one-cycle", "plateau"),
    "augment": ("flip", "alternating-flip", "shift", "affine", "erase"),
}
CALLABLE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*@[0-9a-f]{8}")  # the digest is of the module's source
SPREAD = "spread"  # as `whitened` in a shape: the stem is made from images all over, and not from the first ones
LONGEST_NAME = 64  # characters, as in cards and addresses
PROSE = ("description", "floor", "reported")  # not part of the fingerprint


class Normalization(NamedTuple):
    """`(pixel / 255 - mean) / std`, one number per channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Reported:
    """What a report says, as fractions. `test` is the range it gives, low and high equal where it gives one number."""

    test: tuple[float, float]
    train: tuple[float, float] | None = None
    note: str = ""
    silent_on: str = ""  # what the report leaves open, and we had to choose
    or_epoch: int | None = None  # the figure may be of this epoch instead: the report contradicts itself
    losses: tuple[float, float] | None = None  # train and validation, in nats, at the end


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One experiment. Strings name entries of the tables in CHOICES; a wrong one fails here, by name."""

    name: str
    description: str
    dataset: str
    architecture: str
    shape: Mapping[str, Any]                        # arguments of the architecture, besides input shape and classes
    normalization: Normalization
    init: str = "default"                           # of the linear and convolution weights
    epochs: int
    batch_size: int                                 # images; the last batch of an epoch may be smaller
    optimizer: str
    lr: float                                       # peak, per step
    momentum: float = 0.0
    weight_decay: float = 0.0                       # adamw: decoupled; all others: L2 added to the gradient
    optimizer_options: Mapping[str, Any] = field(default_factory=dict)
    schedule: str = "constant"
    schedule_options: Mapping[str, Any] = field(default_factory=dict)
    label_smoothing: float = 0.0                    # share of the target spread over all classes
    ema: float = 0.0                                # decay per step of the averaged weights; 0: none
    teacher: str = ""                               # the recipe whose best run is learned from; "": labels alone
    distillation: Mapping[str, Any] = field(default_factory=dict)  # what the teacher counts: training.teacher
    augment: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # name -> options, applied in this order
    fraction: float = 1.0                           # of the training images that are used
    validation: int = 5000                          # images held out of the train split (protocol clean)
    report: Protocol | None = None                  # the report's protocol; None: the recipe is ours
    floor: float                                    # export refuses a run below this test accuracy
    reported: Reported | None = None

    def __post_init__(self) -> None:
        for name in ("shape", "schedule_options", "augment", "optimizer_options", "distillation"):
            object.__setattr__(self, name, _frozen(getattr(self, name)))
        if len(self.name) > LONGEST_NAME:
            raise ValueError(f"recipe {self.name!r}: {len(self.name)} characters, a name has {LONGEST_NAME} at most")
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", self.name):
            raise ValueError(f"recipe {self.name!r}: a name is lower-case letters, digits, '.', '_' and '-'; the first "
                             "is a letter or digit")
        for what in ("dataset", "architecture", "init", "optimizer", "schedule"):
            self._require(what, getattr(self, what))
        for augmentation in self.augment:
            self._require("augment", augmentation)
        for what, low, high in _RANGES:
            value = getattr(self, what)
            if not low <= value <= high:
                raise ValueError(f"recipe {self.name}: {what} is {value}, it must lie in {low} to {high}")
        if len(self.normalization.mean) != len(self.normalization.std) or min(self.normalization.std) <= 0:
            raise ValueError(f"recipe {self.name}: normalization needs one mean and one positive std per channel")

    def _require(self, what: str, value: str) -> None:
        if (what == "dataset" and is_own(value)) or (what == "architecture" and is_callable(value)):
            return
        if value not in CHOICES[what]:
            raise ValueError(f"recipe {self.name}: unknown {what} {value!r}; known: {', '.join(CHOICES[what])}")

    def protocol(self, name: str) -> Protocol:
        """The protocol `clean` or `report` of this recipe; ValueError when it has none of that name."""
        if name not in PROTOCOLS:
            raise ValueError(f"recipe {self.name}: unknown protocol {name!r}; known: {', '.join(PROTOCOLS)}")
        if name == "clean":
            return clean(self.validation)
        if self.report is None:
            raise ValueError(f"recipe {self.name} is not from a report: it has the protocol clean only")
        return self.report

    @property
    def fingerprint(self) -> str:
        """First 8 hex digits of the SHA-256 of everything that decides what is learned.

        Fields at their default are left out: a new field then leaves the old recipes' fingerprints, and runs, alone.
        """
        defaults = {entry.name: entry.default for entry in fields(self)}
        learned = {
            key: value
            for key, value in self.to_dict().items()
            if key not in PROSE and value not in ([], {}) and value != defaults[key]
        }
        return hashlib.sha256(json.dumps(learned, sort_keys=True).encode()).hexdigest()[:8]

    def to_dict(self) -> dict[str, Any]:
        """The resolved recipe, ready for JSON. `augment` becomes a list of pairs, because its order matters."""
        plain: dict[str, Any] = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        plain["shape"] = dict(self.shape)
        for name in ("schedule_options", "optimizer_options", "distillation"):
            plain[name] = dict(getattr(self, name))
        plain["normalization"] = self.normalization._asdict()
        plain["augment"] = [[name, dict(options)] for name, options in self.augment.items()]
        plain["report"] = asdict(self.report) if self.report else None
        plain["reported"] = asdict(self.reported) if self.reported else None
        return json.loads(json.dumps(plain))  # type: ignore[no-any-return]  # tuples become the lists JSON has

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Recipe:
        """The recipe that `to_dict` described. A field this release does not know is a TypeError."""
        known = dict(plain)
        known["normalization"] = Normalization(*(tuple(known["normalization"][key]) for key in ("mean", "std")))
        known["augment"] = dict(known["augment"])
        known["report"] = Protocol(**known["report"]) if known["report"] else None
        known["reported"] = Reported(**_frozen(known["reported"])) if known["reported"] else None
        return cls(**known)


def is_callable(architecture: str) -> bool:
    """Whether this names a function of the user's, as `module:function@digest`, and no entry of the table."""
    return CALLABLE.fullmatch(architecture) is not None


def _frozen(value: Any) -> Any:
    """The same with read-only mappings and with tuples for lists, so that a recipe read from JSON equals its source."""
    if isinstance(value, Mapping):
        return MappingProxyType({key: _frozen(entry) for key, entry in value.items()})
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


_RANGES: tuple[tuple[str, float, float], ...] = (
    ("epochs", 1, 10_000),
    ("batch_size", 1, 65_536),
    ("lr", 1e-8, 1e3),
    ("momentum", 0, 0.9999),
    ("weight_decay", 0, 10),
    ("label_smoothing", 0, 0.9),
    ("ema", 0, 0.99999),
    ("fraction", 1e-4, 1),
    ("validation", 1, 1_000_000),
    ("floor", 0, 1),
)

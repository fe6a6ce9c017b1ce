"""Our own: as accurate as minutes on two cores allow, and small enough to answer in well under a millisecond.

    python -m training fm-fast
    python -m training fm-fast-large && python -m training fm-fast-small     a teacher, then who learns from it

`fm-fast` and `cf-fast` are the first two, and the controls of all others. The families after them turn their filters
with Muon, begin with a stem that whitens, and use ReLU, which int8 folds into a rounding where SiLU would need two.
"""

from __future__ import annotations

from dataclasses import replace

from training.recipe import Normalization, Recipe

DISTILLATION = {"weight": 0.9, "temperature": 2.0}  # the same for every student

FASHION = Recipe(
    name="fm-fast",
    description="seven small convolutions that begin as the identity, pooled early",
    dataset="fashion-mnist",
    architecture="fastnet",
    shape={"stem": 16, "widths": (32, 64, 96), "activation": "silu"},
    normalization=Normalization((0.2860,), (0.3530,)),
    epochs=8,
    batch_size=250,
    optimizer="adamw",
    lr=1e-2,
    weight_decay=0.05,
    schedule="one-cycle",
    schedule_options={"warmup": 0.25},  # share of all steps
    label_smoothing=0.1,
    augment={"alternating-flip": {}, "shift": {"pixels": 2}},
    floor=0.92,
)
CIFAR = replace(
    FASHION,
    name="cf-fast",
    description="the same idea on CIFAR-10, wider",
    dataset="cifar10",
    shape={"stem": 32, "widths": (64, 128, 192), "activation": "silu"},
    normalization=Normalization((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    epochs=16,
    floor=0.80,
)

FASHION_BASE = replace(
    FASHION,
    name="fm-fast-base",
    description="fm-fast with a whitening stem, ReLU and Muon",
    shape={"stem": 16, "widths": (32, 64, 96), "activation": "relu", "whitened": True},
    epochs=10,
    batch_size=500,
    optimizer="muon",
    lr=0.1,
    momentum=0.6,
    weight_decay=0.0,
    optimizer_options={"others": 0.01},
    schedule_options={"warmup": 0.2},
    augment={"alternating-flip": {}, "shift": {"pixels": 1}},
)
FASHION_LARGE = replace(
    FASHION_BASE,
    name="fm-fast-large",
    description="four times the work of fm-fast-base: the teacher of the small ones",
    shape={"stem": 16, "widths": (64, 128, 192), "activation": "relu", "whitened": True},
    epochs=10,
    augment={"alternating-flip": {}, "shift": {"pixels": 2}},
)
FASHION_HUGE = replace(
    FASHION_BASE,
    name="fm-fast-huge",
    description="for a GPU: sixteen times the work of fm-fast-base, erased images; the best teacher",
    shape={"stem": 16, "widths": (128, 256, 384), "activation": "gelu", "whitened": True},
    epochs=40,
    augment={
        "alternating-flip": {}, "shift": {"pixels": 2}, "erase": {"probability": 0.5, "area": (0.02, 0.25), "fill": 0},
    },
    floor=0.94,
)
FASHION_BASE_DISTILLED = replace(
    FASHION_BASE,
    name="fm-fast-base-distilled",
    description="fm-fast-base, longer; learns from fm-fast-huge",
    epochs=40,
    teacher="fm-fast-huge",
    distillation=DISTILLATION,
)
FASHION_SMALL = replace(
    FASHION_BASE,
    name="fm-fast-small",
    description="looks at every second pixel; learns from fm-fast-large",
    shape={
        "stem": 16, "kernel": 4, "stride": 2, "widths": (32, 64), "activation": "relu", "whitened": True,
    },
    epochs=24,
    teacher="fm-fast-large",
    distillation=DISTILLATION,
    floor=0.91,
)
FASHION_SMALL_DISTILLED = replace(
    FASHION_SMALL,
    name="fm-fast-small-distilled",
    description="fm-fast-small, longer; learns from fm-fast-huge",
    epochs=60,
    teacher="fm-fast-huge",
)
FASHION_TINY = replace(
    FASHION_SMALL,
    name="fm-fast-tiny",
    description="fits into 25 kB with its weights as halves; learns from fm-fast-large",
    shape={
        "stem": 16, "kernel": 4, "stride": 2, "widths": (16, 32), "depths": (1, 1), "activation": "relu",
        "whitened": True,
    },
    epochs=40,
    augment={"alternating-flip": {}},  # it has too few numbers to learn the images by heart
    floor=0.89,
)
FASHION_LEAN = replace(
    FASHION_TINY,
    name="fm-fast-lean",
    description="two wide strides, then a hidden layer: for who would serve a few dense layers; learns from fm-fast",
    shape={
        "stem": 32, "kernel": 6, "stride": 4, "widths": (32,), "depths": (1,), "activation": "relu", "whitened": True,
        "pooled": False, "hidden": 64,
    },
    teacher="fm-fast",  # which is bundled
)
FASHION_NANO = Recipe(
    name="fm-fast-nano",
    description="one hidden layer of sixteen: for who would serve two linear layers",
    dataset="fashion-mnist",
    architecture="mlp",
    shape={"hidden": (16,), "activation": "relu"},
    normalization=Normalization((0.0,), (0.2,)),  # nothing to subtract: one operation less when an image is alone
    epochs=30,
    batch_size=500,
    optimizer="adamw",
    lr=1e-2,
    weight_decay=0.1,
    schedule="one-cycle",
    schedule_options={"warmup": 0.2},
    floor=0.85,
)

CIFAR_BASE = replace(
    FASHION_BASE,
    name="cf-fast-base",
    description="cf-fast with a whitening stem, ReLU and Muon",
    dataset="cifar10",
    shape={"stem": 32, "widths": (64, 128, 192), "activation": "relu", "whitened": True},
    normalization=CIFAR.normalization,
    epochs=14,
    augment={"alternating-flip": {}, "shift": {"pixels": 2}},
    floor=0.88,
)
CIFAR_LARGE = replace(
    CIFAR_BASE,
    name="cf-fast-large",
    description="for a GPU: four times the work of cf-fast-base, erased images; the best teacher",
    shape={"stem": 48, "widths": (128, 256, 512), "activation": "gelu", "whitened": True},
    epochs=40,
    augment={
        "alternating-flip": {}, "shift": {"pixels": 4},
        "erase": {"probability": 0.5, "area": (0.02, 0.25), "fill": 128},
    },
    floor=0.90,
)
CIFAR_BASE_DISTILLED = replace(
    CIFAR_BASE,
    name="cf-fast-base-distilled",
    description="cf-fast-base, longer; learns from cf-fast-large",
    epochs=50,
    teacher="cf-fast-large",
    distillation=DISTILLATION,
)
CIFAR_SMALL = replace(
    CIFAR_BASE,
    name="cf-fast-small",
    description="looks at every second pixel; learns from cf-fast",
    shape={
        "stem": 32, "kernel": 4, "stride": 2, "widths": (64, 128), "activation": "relu", "whitened": True,
    },
    epochs=16,
    teacher="cf-fast",  # which is bundled: whoever has the repository can train the small ones
    distillation=DISTILLATION,
    floor=0.80,
)
CIFAR_SMALL_DISTILLED = replace(
    CIFAR_SMALL,
    name="cf-fast-small-distilled",
    description="cf-fast-small, longer; learns from cf-fast-large",
    epochs=60,
    teacher="cf-fast-large",
)
CIFAR_TINY = replace(
    CIFAR_SMALL,
    name="cf-fast-tiny",
    description="fits into 25 kB with its weights as halves; learns from cf-fast",
    shape={
        "stem": 16, "kernel": 4, "stride": 2, "widths": (16, 32), "depths": (1, 1), "activation": "relu",
        "whitened": True,
    },
    augment={"alternating-flip": {}},  # it has too few numbers to learn the images by heart
    floor=0.60,
)

RECIPES = (
    FASHION, CIFAR, FASHION_BASE, FASHION_LARGE, FASHION_SMALL, FASHION_TINY, FASHION_LEAN, FASHION_NANO, CIFAR_BASE,
    CIFAR_SMALL, CIFAR_TINY, FASHION_HUGE, FASHION_BASE_DISTILLED, FASHION_SMALL_DISTILLED, CIFAR_LARGE,
    CIFAR_BASE_DISTILLED, CIFAR_SMALL_DISTILLED,
)

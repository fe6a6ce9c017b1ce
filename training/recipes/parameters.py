"""Trainable numbers of every recipe's network, so that a list of them needs no torch. The tests count them again."""

from __future__ import annotations

PARAMETERS: dict[str, int] = {
    "fm000-linear": 7_960,
    "fm000-relu": 7_960,
    "fm000-relu-output": 7_960,
    "fm000-tinyvgg": 7_740,
    "fm001-mixer": 230_844,
    "fm002-ann": 405_044,
    "fm002-ann-mod": 406_416,
    "fm002-ann-mod-aug": 406_416,
    "fm002-cnn": 1_077_834,
    "fm002-cnn-aug": 1_077_834,
    "cf003": 4_843_074,
    **{f"cf004-{activation}-1": 3_157_002 for activation in ("relu", "tanh", "sigmoid")},
    **{f"cf004-{activation}-2": 4_206_602 for activation in ("relu", "tanh", "sigmoid")},
    **{f"cf004-{activation}-3": 5_256_202 for activation in ("relu", "tanh", "sigmoid")},
    **{f"fm004-frac-{fraction}": 269_322 for fraction in (0.2, 0.4, 0.6, 0.8, 1.0)},
    "fm-fast": 209_248,
    "cf-fast": 833_792,
    # variants
    **{f"fm001-mixer-batch-{size}": 230_844 for size in (64, 256, 512, 1024, 2048, 4096)},
    **{f"fm001-mixer-epochs-{epochs}": 230_844 for epochs in (10, 50, 100, 200)},
    **{f"fm001-mixer-init-{init}": 230_844 for init in ("xavier-normal", "xavier-uniform", "kaiming-normal")},
    **{f"fm001-mixer-{optimizer}": 230_844 for optimizer in ("sgd", "asgd")},
    **{f"fm002-ann-{optimizer}": 405_044 for optimizer in ("rmsprop", "sgd", "adagrad")},
    **{f"fm002-cnn-{optimizer}": 1_077_834 for optimizer in ("rmsprop", "sgd", "adagrad")},
    **{f"fm002-ann-mod-dropout-{dropout}": 406_416 for dropout in (0.05, 0.1)},
    **{f"fm002-ann-mod-{reading}": 406_416 for reading in ("norm-first", "best-on-test", "batch-64")},
    "fm002-ann-mod-aug-norm-first": 406_416,
    "fm002-ann-batch-64": 405_044,
    **{f"fm004-frac-{fraction}-shallow": 203_530 for fraction in (0.2, 1.0)},
    "fm004-frac-0.2-wide": 1_863_690,
    "fm002-next-resnet18": 11_172_810,
    "fm002-next-googlenet": 5_601_322,
    "fm002-next-vit": 805_130,
}

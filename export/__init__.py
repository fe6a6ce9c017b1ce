"""The bridge from a training run to a served artifact; the only package that imports both worlds."""

import service  # noqa: F401 - before ONNX Runtime, which it keeps from reporting to its makers

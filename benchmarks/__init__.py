"""Weighs what `service` serves; knows nothing of how models were made."""

import service  # noqa: F401 - before ONNX Runtime, which it keeps from reporting to its makers

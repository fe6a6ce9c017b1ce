"""The serve world: numpy, pydantic, ONNX Runtime, BentoML. Imports nothing here, so `service.card` stays cheap."""

import os

# ONNX Runtime reports machine, models and times to its makers unless this is set before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

"""The build world: recipes, data sets, architectures and the training loop. Knows nothing of serving."""

import os

# ONNX Runtime reports machine, models and times to its makers unless this is set before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

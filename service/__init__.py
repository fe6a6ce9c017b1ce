"""The serve world: numpy, pydantic, ONNX Runtime, BentoML. Imports nothing here, so `service.card` stays cheap."""

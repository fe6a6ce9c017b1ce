"""One thin file per contender: what its documentation shows first, around the same ONNX Runtime session.

Each runs in an environment of its own and imports nothing of this repository but `model`.
"""

"""The parts alone, with pytest-benchmark: decoding, the bare runtime, and controls on the same bytes."""

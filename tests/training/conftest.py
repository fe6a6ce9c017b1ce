"""The toy material of tests/toy_training.py, as fixtures of this folder."""

from toy_training import data_root, execution, idx_bytes, recipe, toy_data, write_fashion

__all__ = ["data_root", "execution", "idx_bytes", "recipe", "toy_data", "write_fashion"]

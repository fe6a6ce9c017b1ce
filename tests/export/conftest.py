"""The toy material of tests/toy_training.py, as fixtures of this folder."""

from toy_training import data_root, execution, recipe, toy_data

__all__ = ["data_root", "execution", "recipe", "toy_data"]

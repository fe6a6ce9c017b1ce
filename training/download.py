"""Fetch an original data set with torchvision, into the folder where training looks for it."""

from __future__ import annotations

from pathlib import Path

from training.places import data_folder


def download(dataset: str) -> Path:
    """Download `dataset` into `$WEIGHBRIDGE_DATA` or ./data and return that folder.

    ValueError when torchvision does not have it, or when its servers cannot be reached.
    """
    from torchvision import datasets

    fetchers = {"fashion-mnist": datasets.FashionMNIST, "cifar10": datasets.CIFAR10}
    if dataset not in fetchers:
        raise ValueError(f"{dataset} cannot be downloaded; what can: {', '.join(fetchers)}")
    folder = data_folder()
    try:
        fetchers[dataset](root=str(folder), download=True)
    except (OSError, RuntimeError) as error:  # URLError is an OSError; torchvision wraps the rest in RuntimeError
        raise ValueError(f"{dataset} could not be downloaded into {folder}: {error}") from error
    return folder

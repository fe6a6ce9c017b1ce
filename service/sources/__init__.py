"""Labelled images that a client brings along, in the forms people keep them in.

    .npz               arrays `images` and `labels`
    IDX                two files, as MNIST has them, gzipped or not
    zip                class folders with image files
    CSV and zip        a table of file and label, and the files
    Parquet            columns of image bytes and labels, as the Hugging Face hub has them; needs pyarrow

The form is told by content, never by name. `open_source` checks all that can be checked without decoding an image;
images are decoded as they are scored, so that memory does not grow with the upload. Nothing is ever unpacked to disk.
"""

from __future__ import annotations

from service.sources.open import open_source
from service.sources.source import Bounds, Source

__all__ = ["Bounds", "Source", "open_source"]

"""3x3 convolutions on CPUs with 18 to 59 % of the multiplications, depending on the size of the images.

    with Winograd():
        loss(network(images)).backward()

Inside, every convolution that gains by it is computed by F(2x2, 3x3), F(4x4, 3x3) or F(7x7, 3x3), whichever suits the
size of the images, forward and backward. Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", arXiv
1509.09308. An image is cut into tiles that overlap by two pixels; of transformed tiles, a convolution is one product
of matrices per position. Results are fp32 and lie within about 6e-5 of the largest value of the direct ones, and are
the same bits each time.

Moved about by torch's operations, tiles cost what the products save. So the transforms are machine code (`native`),
and a batch goes through in pieces.
"""

from __future__ import annotations

from training.winograd.convolution import Winograd, convolve, gains, has_wide_convolutions
from training.winograd.identity import fingerprint

__all__ = ["Winograd", "convolve", "fingerprint", "gains", "has_wide_convolutions"]

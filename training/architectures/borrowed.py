"""torchvision's ResNet-18, GoogLeNet and vision transformer, untrained, with stems that suit 28 and 32 pixels.

Their own stems halve the image two or three times before the first block, which leaves 7 of 28 pixels. Here the first
convolution is 3x3 with stride 1 and the pooling after it is gone, as is usual for CIFAR-10 (He et al., arXiv
1512.03385, section 4.2). torchvision is imported when a network is built, and not before.
"""

from __future__ import annotations

from typing import cast

from torch import nn


def resnet18(image: tuple[int, int, int], classes: int) -> nn.Module:
    """He et al., arXiv 1512.03385. Its stages run at full, half, quarter and eighth size."""
    from torchvision.models import resnet18 as borrowed

    network: nn.Module = borrowed(weights=None, num_classes=classes)
    network.conv1 = nn.Conv2d(image[0], 64, 3, padding=1, bias=False)
    network.maxpool = nn.Identity()
    return network


def googlenet(image: tuple[int, int, int], classes: int) -> nn.Module:
    """Szegedy et al., arXiv 1409.4842, with batch norm as torchvision has it, and without the auxiliary heads."""
    from torchvision.models import googlenet as borrowed
    from torchvision.models.googlenet import BasicConv2d

    network: nn.Module = borrowed(weights=None, num_classes=classes, aux_logits=False, init_weights=False)
    network.conv1 = BasicConv2d(image[0], 64, kernel_size=3, padding=1)
    network.maxpool1 = nn.Identity()
    return network


def vit(
    image: tuple[int, int, int], classes: int, *, patch: int, depth: int, heads: int, width: int, hidden: int,
    dropout: float,
) -> nn.Module:
    """Dosovitskiy et al., arXiv 2010.11929: patches of `patch` pixels, `depth` blocks of `width` channels.

    `hidden` is the width inside a block's MLP. ValueError when the patches do not tile the image.
    """
    from torchvision.models.vision_transformer import VisionTransformer

    channels, height, _ = image
    if height % patch:
        raise ValueError(f"patches of {patch} pixels do not tile an image of {height}")
    network = VisionTransformer(
        image_size=height, patch_size=patch, num_layers=depth, num_heads=heads, hidden_dim=width, mlp_dim=hidden,
        dropout=dropout, num_classes=classes,
    )
    if channels != 3:
        network.conv_proj = nn.Conv2d(channels, width, patch, stride=patch)
    nn.init.normal_(network.heads.head.weight, std=0.02)  # torchvision's zeros would stop the first step's gradient
    return cast(nn.Module, network)

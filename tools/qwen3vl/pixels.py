"""uint8 views to normalised patches, in the order of Qwen2VLImageProcessor: 2x2 patches of a merge block follow one another."""
import torch


def patches_from_images(images, patch, merge):
    """(N, H, W, 3) uint8 -> (N, patches, patch*patch*3) uint8; a patch vector runs y, x, channel. Moved as bytes: a quarter of float's traffic."""
    n, height, width, channels = images.shape
    rows, columns = height // (patch * merge), width // (patch * merge)
    x = images.reshape(n * rows, merge, patch, columns, merge, patch * channels)
    x = x.permute(0, 3, 1, 4, 2, 5)  # block row, block column, row in block, column in block, y, (x, channel)
    return x.reshape(n, rows * columns * merge * merge, patch * patch * channels)


def normalise(patches, mean, std):
    """uint8 patches -> (u8/255 - mean)/std in float32. mean, std: (patch*patch*3) in the order of a patch vector."""
    return (patches.to(torch.float32) / 255.0 - mean) / std


def per_patch_value(three, patch):
    """Three channel numbers repeated for every pixel of a patch."""
    return torch.tensor(three, dtype=torch.float32).repeat(patch * patch)

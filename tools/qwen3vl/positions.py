"""Everything about positions that is constant once the picture size and the prompt are: baked into the graph in float32."""
import torch
import torch.nn.functional as F


def block_order(side, merge):
    """Row and column of each patch, 2x2 merge blocks in raster order: two (side*side) tensors."""
    at = torch.arange(side * side).reshape(side // merge, merge, side // merge, merge).permute(0, 2, 1, 3).reshape(-1)
    return at // side, at % side


def vision_position_rows(table, grid_side, side, merge):
    """The learned (grid_side^2, D) table resampled bilinearly (corners aligned) to side x side, in block order: (side*side, D).
    In float64, because float32 places the corners 1e-5 off."""
    grid = table.to(torch.float64).reshape(1, grid_side, grid_side, -1).permute(0, 3, 1, 2)
    x = F.interpolate(grid, size=(side, side), mode="bilinear", align_corners=True)[0].permute(1, 2, 0)
    row, column = block_order(side, merge)
    return x[row, column].to(torch.float32)


def vision_rotary(head_dim, theta, side, merge):
    """Axial rotary angles: cos and sin, (patches, head_dim/2), the half that is repeated."""
    spatial = head_dim // 2
    inverse = 1.0 / (theta ** (torch.arange(0, spatial, 2, dtype=torch.float32) / spatial))
    row, column = block_order(side, merge)
    angle = torch.cat([row[:, None].float() * inverse, column[:, None].float() * inverse], -1)
    return angle.cos(), angle.sin()


def text_rotary(positions, head_dim, theta, section):
    """Interleaved MRoPE: of every three frequencies one follows height, one width, as far as the sections reach; the rest temporal. (S, head_dim/2)."""
    inverse = 1.0 / (theta ** (torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim))
    angle = torch.tensor(positions, dtype=torch.float32)[:, :, None] * inverse
    mixed = angle[0].clone()
    for axis in (1, 2):
        which = slice(axis, section[axis] * 3, 3)
        mixed[:, which] = angle[axis][:, which]
    return mixed.cos(), mixed.sin()

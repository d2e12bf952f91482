"""Patches: consecutive mel frames that share a position of a network.

The paper's networks have one position per frame. Small ones learn more per
minute, and decode faster, with patches.

Letters: B batch, T frames, P patches, D channels of a frame.
"""


def check_patches(patch_size, group_size):
    """A ValueError if patches do not divide groups of frames."""
    if group_size % patch_size:
        raise ValueError(
            f"patch_size={patch_size} does not divide the groups of "
            f"{group_size} frames."
        )


def join_patches(frames, patch_size):
    """Frames [B, T, D] as patches [B, P, patch_size * D]; the patch size divides T.

    Example
    -------
    >>> import torch
    >>> join_patches(torch.arange(4.0).view(1, 4, 1), 2).tolist()
    [[[0.0, 1.0], [2.0, 3.0]]]
    """
    return frames.unflatten(1, (-1, patch_size)).flatten(2)


def split_patches(patches, patch_size):
    """The frames [B, T, D] of patches [B, P, patch_size * D].

    Example
    -------
    >>> import torch
    >>> split_patches(torch.arange(4.0).view(1, 2, 2), 2).flatten().tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    return patches.unflatten(2, (patch_size, -1)).flatten(1, 2)

"""Finite scalar quantization, from the vector-quantize-pytorch library.

It stands here under a name of this package so that a model's YAML need not
name code from anywhere else (see inference/loading.py), and so that its
argument checks do not depend on the library's version.
"""

import vector_quantize_pytorch


class FSQ(vector_quantize_pytorch.FSQ):
    """Rounds each of a few projected dimensions to a few levels.

    Arguments
    ---------
    levels : list of int
        Levels of each dimension; their product is the vocabulary.
    dim : int
        Dimension of the features before and after.

    Example
    -------
    >>> import torch
    >>> q, tokens = FSQ([8, 8, 8, 5, 5], dim=16)(torch.randn(2, 10, 16))
    >>> q.shape, tokens.shape, FSQ([8, 8, 8, 5, 5], dim=16).codebook_size
    (torch.Size([2, 10, 16]), torch.Size([2, 10]), 12800)
    """

    def __init__(self, levels, dim):
        super().__init__(levels=list(levels), dim=dim)

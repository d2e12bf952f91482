"""Convolutional encoder of texts.

Letters: B batch, L text ids, S positions, D width.
"""

import torch
from torch import nn

from speechbrain_gogo.lobes.nn.lengths import length_mask
from speechbrain_gogo.lobes.nn.llama_block import RMSNorm, SwiGLU


class TextEncoder(nn.Module):
    """Vectors of the positions in a text: before each letter, and at the end.

    Arguments
    ---------
    text_size : int
        Text ids.
    dim : int
        Width D.
    num_layers : int
        Blocks, each with a convolution over 7 letters.
    dropout : float
        Dropout probability of the vectors.

    Example
    -------
    >>> encoder = TextEncoder(50, 16, 2).eval()
    >>> text = torch.randint(50, (2, 6))
    >>> vectors, lengths = encoder(text, torch.tensor([1.0, 0.5]))
    >>> vectors.shape, lengths
    (torch.Size([2, 7, 16]), tensor([6, 3]))
    """

    def __init__(self, text_size, dim, num_layers, dropout=0.0):
        super().__init__()
        self.end_id = text_size
        self.rows = nn.Embedding(text_size + 1, dim)
        self.blocks = ConvBlocks(dim, num_layers, 7, 2 * dim)
        self.no_text = nn.Parameter(torch.zeros(dim))
        self.dropout = nn.Dropout(dropout)

    def forward(self, text, text_lens):
        """Encode texts int64 [B, L] of relative lengths [B]; 0 is speech without text.

        The result is [B, L + 1, D], with the position before letter l at l; and the
        number of letters of each text, int64 [B].
        """
        lengths = length_mask(text_lens, text.shape[1]).sum(1)
        return self.encode(text, lengths), lengths

    def encode(self, text, lengths):
        """As :meth:`forward`, of ``lengths`` letters, int64 [B]: [B, L + 1, D]."""
        lengths = lengths.unsqueeze(1)
        place = torch.arange(text.shape[1] + 1, device=text.device)
        ids = torch.where(place == lengths, self.end_id, 0)
        ids[:, :-1] = torch.where(place[:-1] < lengths, text, ids[:, :-1])
        encoded = self.blocks(self.rows(ids), place <= lengths)
        none = (lengths == 0).unsqueeze(-1)  # [B, 1, 1]
        encoded = torch.where(none, self.no_text.to(encoded.dtype), encoded)
        return self.dropout(encoded)


class ConvBlocks(nn.Module):
    """Residual blocks: a convolution over each channel, then a SwiGLU.

    Padding is kept at zero, so that it does not affect the sequence.

    Arguments
    ---------
    dim : int
        Width D.
    num_layers : int
        Blocks.
    kernel_size : int
        Kernel size of the convolutions, odd.
    ffn_dim : int
        Width inside the SwiGLU.
    """

    def __init__(self, dim, num_layers, kernel_size, ffn_dim):
        super().__init__()
        self.norms = nn.ModuleList(RMSNorm(dim) for _ in range(num_layers))
        self.convolutions = nn.ModuleList(
            nn.Conv1d(
                dim, dim, kernel_size, padding=kernel_size // 2, groups=dim
            )
            for _ in range(num_layers)
        )
        self.blocks = nn.ModuleList(
            SwiGLU(dim, ffn_dim) for _ in range(num_layers)
        )
        self.last = RMSNorm(dim)

    def forward(self, x, real):
        """Vectors [B, S, D] and which are real, bool [B, S] -> [B, S, D]."""
        real = real.unsqueeze(-1)
        for norm, convolution, block in zip(
            self.norms, self.convolutions, self.blocks
        ):
            y = torch.where(real, norm(x), 0)
            y = convolution(y.transpose(1, 2)).transpose(1, 2)  # [B, S, D]
            x = x + block(y)
        return self.last(x)

"""GPT-2 with continuous inputs, and the embedding of a text.

The language models of SoCodec and CoFi-Speech embed text and tokens themselves,
with positions that restart in each part of a sequence.

Letters: B batch, L text ids, T vectors, D width.
"""

import torch
from torch import nn
from torch.nn import functional as F

from speechbrain_gogo.lobes.nn.lengths import length_mask


def gpt(dim, num_layers, num_heads, max_positions, dropout=0.1):
    """A GPT-2 that reads vectors and adds no positions to them.

    ``dropout`` is the probability of embeddings, attention and residuals.

    Example
    -------
    >>> model = gpt(16, 1, 2, max_positions=20)
    >>> model(inputs_embeds=torch.randn(1, 5, 16)).last_hidden_state.shape
    torch.Size([1, 5, 16])
    """
    from transformers import GPT2Config, GPT2Model  # takes seconds to import

    model = GPT2Model(
        GPT2Config(
            vocab_size=1,  # there are no ids
            bos_token_id=None,
            eos_token_id=None,
            n_positions=max_positions,
            n_embd=dim,
            n_layer=num_layers,
            n_head=num_heads,
            resid_pdrop=dropout,
            embd_pdrop=dropout,
            attn_pdrop=dropout,
        )
    )
    model.wte = nn.Identity()
    model.wpe = NoPositions()
    return model


class NoPositions(nn.Module):
    """Replaces GPT-2's positional embedding and adds nothing."""

    def forward(self, position_ids):
        """Zero for every position."""
        return position_ids.new_zeros((), dtype=torch.float)


class TextPrefix(nn.Module):
    """The vectors of a reference embedding and a text.

    Arguments
    ---------
    reference_dim : int
        Width of the reference embedding.
    text_size : int
        Text ids.
    dim : int
        D.
    text_positions : int
        Longest text.

    Example
    -------
    >>> prefix = TextPrefix(8, 30, 16, 10)
    >>> text, lens = torch.randint(30, (2, 4)), torch.tensor([1.0, 0.5])
    >>> vectors, real = prefix(torch.randn(2, 8), text, lens)
    >>> vectors.shape, real.int().tolist()
    (torch.Size([2, 5, 16]), [[1, 1, 1, 1, 1], [0, 0, 1, 1, 1]])
    """

    def __init__(self, reference_dim, text_size, dim, text_positions):
        super().__init__()
        self.reference = nn.Linear(reference_dim, dim)
        self.text = nn.Embedding(text_size, dim)
        self.place = nn.Embedding(text_positions, dim)
        for embedding in (self.text, self.place):
            nn.init.normal_(embedding.weight, std=0.02)

    def forward(self, reference, text, text_lens):
        """Reference [B, reference_dim] and text int64 [B, L], padded on the left.

        ``text_lens`` are relative lengths [B] over L. Returns [B, 1 + L, D], and
        bool [B, 1 + L], True where it is no padding.
        """
        places = torch.arange(text.shape[1], device=text.device)
        embedded = self.text(text) + self.place(places)
        prefix = torch.cat([self.reference(reference)[:, None], embedded], 1)
        real = length_mask(text_lens, text.shape[1])  # [B, L]
        return pad_left(prefix, F.pad(real, (1, 0), value=True))


def pad_left(vectors, real):
    """Move the padding of vectors [B, T, D] to the left; real ones keep their order.

    ``real``, bool [B, T], is reordered, too.

    Example
    -------
    >>> x = torch.arange(3.0).view(1, 3, 1)
    >>> real = torch.tensor([[True, True, False]])
    >>> pad_left(x, real)[0].flatten().tolist()
    [2.0, 0.0, 1.0]
    """
    order = real.long().argsort(dim=1, stable=True)
    moved = vectors.take_along_dim(order[..., None], dim=1)
    return moved, real.gather(1, order)

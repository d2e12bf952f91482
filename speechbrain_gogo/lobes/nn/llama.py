"""LLaMA-style Transformers of all Gogo networks (Appendix C).

Networks that read vectors are a :class:`Llama`, whose blocks are in
llama_block.py. Stages that read ids of a vocabulary are transformers' own, which
take seconds to import; this file sets their sizes.
"""

from dataclasses import dataclass

import torch
from torch.utils.checkpoint import checkpoint

from speechbrain_gogo.lobes.nn.llama_block import LlamaBlocks, initial_deviation


@dataclass(frozen=True)
class LlamaSizes:
    """Sizes that cached decoding needs, named as in transformers.LlamaConfig."""

    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    rms_norm_eps: float
    attention_bias: bool = False
    mlp_bias: bool = False


class Llama(LlamaBlocks):
    """A LLaMA-style Transformer that reads vectors.

    It equals transformers.LlamaModel without an embedding table, and has the
    same names of weights.

    Arguments
    ---------
    dim : int
        Hidden dimension.
    num_layers : int
        Blocks.
    num_heads : int
        Attention heads.
    ffn_dim : int
        Feed-forward dimension.
    num_key_value_heads : int
        Heads of keys and values; as many as heads by default.

    Example
    -------
    >>> Llama(64, 2, 4, 128)(torch.randn(1, 5, 64)).shape
    torch.Size([1, 5, 64])
    """

    def __init__(
        self, dim, num_layers, num_heads, ffn_dim, num_key_value_heads=None
    ):
        groups = num_key_value_heads or num_heads
        super().__init__(dim, num_layers, num_heads, ffn_dim, groups)
        self.config = LlamaSizes(
            num_heads, groups, self.head_dim, self.norm.eps
        )
        self.is_gradient_checkpointing = False

    @property
    def device(self):
        """Device of the weights."""
        return self.norm.weight.device

    def gradient_checkpointing_enable(self, settings=None):
        """Keep only the inputs of blocks in training.

        ``settings`` are those of the method in transformers, and ignored.
        """
        self.is_gradient_checkpointing = True

    def forward(self, x, mask=None, position=None):
        """Hidden states after the last norm, [M, T, D], of vectors x [M, T, D].

        ``mask`` is bool, broadcastable to [M, H, T, T], True where a position may
        attend; itself and earlier ones by default. ``position`` has rotary positions
        int64 [M, T]; consecutive by default.
        """
        if position is None:
            position = torch.arange(x.shape[1], device=x.device).unsqueeze(0)
        rope = [part.unsqueeze(1) for part in self.rope(position)]
        for layer in self.layers:
            if self.is_gradient_checkpointing and self.training:
                x = checkpoint(layer, x, rope, mask, use_reentrant=False)
            else:
                x = layer(x, rope, mask)
        return self.norm(x)


def causal_mask(kept):
    """Causal attention mask of a padded sequence.

    ``kept``, bool [B, S], is False for padding. The result, bool [B, 1, S, S],
    is True for earlier positions without padding, and for the position itself,
    since a row without keys gives NaN.

    Example
    -------
    >>> causal_mask(torch.tensor([[False, True, True]]))[0, 0].int()
    tensor([[1, 0, 0],
            [0, 1, 0],
            [0, 1, 1]], dtype=torch.int32)
    """
    place = torch.arange(kept.shape[1], device=kept.device)
    earlier = place <= place.unsqueeze(1)  # [S, S]
    itself = place == place.unsqueeze(1)
    return ((earlier & kept.unsqueeze(1)) | itself).unsqueeze(1)


def llama_config(dim, num_layers, num_heads, ffn_dim, vocab_size=1, **settings):
    """Configuration of a transformers Llama.

    Keys and values have as many heads as queries by default; ``settings`` are
    any other fields of transformers.LlamaConfig.
    """
    from transformers import LlamaConfig  # takes seconds to import

    return LlamaConfig(
        hidden_size=dim,
        num_hidden_layers=num_layers,
        num_attention_heads=num_heads,
        intermediate_size=ffn_dim,
        vocab_size=vocab_size,
        attn_implementation="sdpa",
        initializer_range=initial_deviation(dim),
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
        **{"num_key_value_heads": num_heads, **settings},
    )

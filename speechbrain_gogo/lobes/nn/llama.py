"""LLaMA-style Transformers of all Gogo networks (Appendix C).

The blocks are those of transformers: RMSNorm, rotary positions, SwiGLU. This
file sets their sizes and gives them continuous inputs.
"""

from torch import nn

NO_SPECIAL_TOKENS = {
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
}


def llama_config(dim, num_layers, num_heads, ffn_dim, vocab_size=1, **settings):
    """Configuration of a LLaMA-style Transformer.

    Arguments
    ---------
    dim : int
        Hidden dimension.
    num_layers : int
        Blocks.
    num_heads : int
        Attention heads; keys and values have as many by default.
    ffn_dim : int
        Feed-forward dimension.
    vocab_size : int
        Rows of the input embedding, where there is one.
    **settings
        Any other field of transformers.LlamaConfig.

    Returns
    -------
    transformers.LlamaConfig

    Example
    -------
    >>> llama_config(64, 2, 4, 128).head_dim
    16
    """
    from transformers import LlamaConfig  # takes seconds to import

    return LlamaConfig(
        hidden_size=dim,
        num_hidden_layers=num_layers,
        num_attention_heads=num_heads,
        intermediate_size=ffn_dim,
        vocab_size=vocab_size,
        attn_implementation="sdpa",
        # The usual 0.02 is for widths of thousands: at these, attention
        # would start out adding next to nothing, and tokens would hardly
        # differ from group to group.
        initializer_range=dim**-0.5,
        **{
            "num_key_value_heads": num_heads,
            **NO_SPECIAL_TOKENS,
            **settings,
        },
    )


def llama(dim, num_layers, num_heads, ffn_dim, **settings):
    """A LLaMA-style Transformer that reads vectors (``inputs_embeds``).

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
    **settings
        Any other field of transformers.LlamaConfig.

    Returns
    -------
    transformers.LlamaModel
        Without an embedding table.

    Example
    -------
    >>> import torch
    >>> model = llama(64, 2, 4, 128)
    >>> model(inputs_embeds=torch.randn(1, 5, 64)).last_hidden_state.shape
    torch.Size([1, 5, 64])
    """
    from transformers import LlamaModel  # takes seconds to import

    model = LlamaModel(
        llama_config(dim, num_layers, num_heads, ffn_dim, **settings)
    )
    model.embed_tokens = nn.Identity()
    model.config.use_cache = False
    return model

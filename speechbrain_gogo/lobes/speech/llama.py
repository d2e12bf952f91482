"""The Llama models of GogoSpeech (Appendix C).

At paper size both stages start from `meta-llama/Llama-3.2-1B-Instruct` with
an extended vocabulary; small ones are trained from scratch. Both are plain
transformers models, which any server of Llama models can serve. stage1.py and
stage2.py define their ids.
"""

import torch

from speechbrain_gogo.lobes.nn.llama import llama_config


def extended_llama(source, num_new, pretrained=True, seed=0):
    """A pretrained Llama with more rows in its vocabulary.

    The new rows have the distribution of the old ones, see
    :func:`draw_new_rows`.

    Arguments
    ---------
    source : str
        Hub id or local folder, such as `meta-llama/Llama-3.2-1B-Instruct`.
    num_new : int
        Number of ids after those of the text: codes and special ids.
    pretrained : bool
        False reads only the configuration; weights are random.
    seed : int
        Seed of the new rows.

    Returns
    -------
    transformers.LlamaForCausalLM
        Weights in float32; the size of its text vocabulary is
        ``config.vocab_size - num_new``.
    """
    from transformers import AutoConfig, LlamaForCausalLM

    if pretrained:
        model = LlamaForCausalLM.from_pretrained(source, dtype=torch.float32)
        size = model.config.vocab_size + num_new
        model.resize_token_embeddings(size, mean_resizing=False)
        tables = [model.get_input_embeddings().weight]
        if model.lm_head.weight is not tables[0]:
            tables.append(model.lm_head.weight)
        for table in tables:
            draw_new_rows(table, num_new, seed)
    else:
        config = AutoConfig.from_pretrained(source, dtype=torch.float32)
        config.vocab_size += num_new
        model = LlamaForCausalLM(config)
    model.config.use_cache = False  # generation brings a cache of its own
    return model


@torch.no_grad()
def draw_new_rows(table, num_new, seed=0):
    """Draw the last rows of an embedding from the distribution of the others.

    By default transformers draws new rows with the mean of the old ones and a
    billionth of their covariance: 12,800 codes would start as the same token.
    Here each dimension has the old rows' own mean and standard deviation.

    Arguments
    ---------
    table : torch.Tensor
        Rows [V, D], of which the last ones are written.
    num_new : int
        Rows to draw.
    seed : int
        Seed of the draw.

    Example
    -------
    >>> table = torch.randn(600, 4)
    >>> draw_new_rows(table, 300)
    >>> bool((table[300:].std(0) / table[:300].std(0) - 1).abs().max() < 0.2)
    True
    """
    old = table[:-num_new]
    drawn = torch.randn(
        num_new,
        table.shape[1],
        generator=torch.Generator().manual_seed(seed),
    )
    table[-num_new:] = old.mean(0) + old.std(0) * drawn.to(table)


def speech_llama(
    vocab_size,
    dim=256,
    num_layers=4,
    num_heads=4,
    ffn_dim=768,
    max_positions=1024,
    num_key_value_heads=None,
):
    """A Llama from scratch, embeddings tied to its output.

    Arguments
    ---------
    vocab_size : int
        Text ids, codes and special ids.
    dim : int
        Hidden dimension.
    num_layers : int
        Blocks.
    num_heads : int
        Attention heads.
    ffn_dim : int
        Feed-forward dimension.
    max_positions : int
        Longest sequence.
    num_key_value_heads : int
        Heads of keys and values; as many as ``num_heads`` by default.

    Returns
    -------
    transformers.LlamaForCausalLM

    Example
    -------
    >>> model = speech_llama(100, 32, 2, 2, 64)
    >>> model.lm_head.weight.shape
    torch.Size([100, 32])
    """
    from transformers import LlamaForCausalLM

    config = llama_config(
        dim,
        num_layers,
        num_heads,
        ffn_dim,
        vocab_size=vocab_size,
        max_position_embeddings=max_positions,
        tie_word_embeddings=True,
        use_cache=False,
        num_key_value_heads=num_key_value_heads or num_heads,
    )
    return LlamaForCausalLM(config)

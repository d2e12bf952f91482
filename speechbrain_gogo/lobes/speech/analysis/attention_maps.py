"""Attention maps of language models (Section IV-D of the CoFi-Speech paper).

Letters: H heads, S positions.
"""

import contextlib


@contextlib.contextmanager
def attention_maps(models):
    """Record the attention of GPT-2s, summed over layers and heads.

    Arguments
    ---------
    models : sequence of transformers.GPT2Model
        Each reads one utterance within the context, once.

    Yields
    ------
    list of torch.Tensor
        Initially empty; after a model has read, its map [S, S] is appended.
        Rows are the positions that attend.

    Example
    -------
    >>> import torch
    >>> from speechbrain_gogo.lobes.speech.streams.gpt import gpt
    >>> model = gpt(16, 3, 2, max_positions=20).eval()
    >>> with attention_maps([model]) as maps:
    ...     _ = model(inputs_embeds=torch.randn(1, 5, 16))
    >>> maps[0].shape, maps[0].sum(1).round().tolist()  # 3 layers, 2 heads
    (torch.Size([5, 5]), [6.0, 6.0, 6.0, 6.0, 6.0])
    """
    maps, hooks, used = [], [], []
    for model in models:
        used.append(model.config._attn_implementation)
        model.set_attn_implementation("eager")  # others give no weights
        for number, block in enumerate(model.h):
            add = _adder(maps, first=number == 0)
            hooks.append(block.attn.register_forward_hook(add))
    try:
        yield maps
    finally:
        for hook in hooks:
            hook.remove()
        for model, name in zip(models, used):
            model.set_attn_implementation(name)


def _adder(maps, first):
    """A hook that adds a layer's weights [1, H, S, S] to the last map."""

    def add(module, given, output):
        own = output[1][0].sum(0).detach().float()
        if first:
            maps.append(own)
        else:
            maps[-1] += own

    return add

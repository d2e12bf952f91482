"""Passes of the stages during generation, as functions without state.

What generation.py computes with objects that keep a cache, with a cache that is
an argument and a result: for export to other runtimes. Large passes take the
StatelessLlama of a stage, the stage, and tensors; ``cache`` are the last arguments
of StatelessLlama.read: padding, keys and values.

Stages with one position per group have a large pass for each group, and small
ones for its tokens (:func:`depth_step`).

Letters: B batch, T new positions, V ids with logits, K tokens per group, b tokens
of the backbone, L text ids, F frames per group, D width, C codes.
"""

import torch
from torch.nn import functional as F


def token_step(blocks, lm, ids, *cache):
    """The pass of a stage that reads and predicts token by token (Eq. 6, 7).

    ids int64 [B, T] -> logits [B, V] of the next token, keys and values.
    """
    x = F.embedding(ids, lm.llama.get_input_embeddings().weight)
    x, *cache = blocks.read(x, *cache)
    return F.linear(x, lm.llama.lm_head.weight[lm.output_slice]), *cache


def aligned_text(lm, text, lengths):
    """Encode texts int64 [B, L] of ``lengths`` letters, for an AlignedBackboneLM.

    0 letters are speech without text. Returns the encoded text [B, L + 1, D]
    and mean durations in frames, [B, L + 1].
    """
    encoded = lm.text.encode(text, lengths)
    return encoded, lm.durations.expected(encoded, lengths)


def aligned_step(blocks, lm, before, encoded, places, *cache):
    """The large pass of an AlignedBackboneLM.

    ``before`` are the tokens of the preceding groups, int64 [B, T, b], C for
    none; ``encoded`` is the text, from :func:`aligned_text`; ``places`` is the
    position in the text of each frame of the groups that follow them, int64
    [B, T, F]. Returns the vector from which the next group is predicted, [B, D],
    keys and values.
    """
    return blocks.read(
        lm.groups.total(before) + lm.said(encoded, places), *cache
    )


def group_text(blocks, lm, ids, *cache):
    """The pass of a GroupBackboneLM over text and start, int64 [B, T].

    Returns the vector from which the first group is predicted, [B, D]; the score
    of the end, [B, 1]; keys and values.
    """
    x, *cache = blocks.read(lm.text(ids), *cache)
    return x, lm.end(x), *cache


def group_backbone_step(blocks, lm, before, position, *cache):
    """The pass of a GroupBackboneLM over groups, results as of :func:`group_text`.

    ``before`` are the preceding groups, int64 [B, T, b], ``position`` their
    rotary positions, int64 [B, T]: the first group has the number of ids, and
    each further one ``group_stride`` more.

    Example
    -------
    >>> from speechbrain_gogo.lobes.speech.decoding.stateless_llama import (
    ...     StatelessLlama,
    ... )
    >>> from speechbrain_gogo.lobes.speech.group_stage1 import GroupBackboneLM
    >>> lm = GroupBackboneLM(50, [4, 3], dim=16, num_layers=1, num_heads=2)
    >>> text, groups = torch.randint(50, (1, 6)), torch.randint(12, (1, 4, 3))
    >>> one = torch.ones(1)
    >>> real = torch.ones(1, 4, dtype=torch.bool)
    >>> x, position, _ = lm.eval().sequence(text, one, groups, real)
    >>> expected = lm.llama(x, position=position)[:, -1].detach()
    >>> blocks, padding = StatelessLlama(lm.llama), torch.tensor([0])
    >>> none, (ids, _) = torch.zeros(blocks.cache_shape(1, 0)), lm.prefix(text, one)
    >>> _, _, *cache = group_text(blocks, lm, ids, padding, none, none)
    >>> given = groups, position[:, -4:], padding, *cache
    >>> found, _, *cache = group_backbone_step(blocks, lm, *given)
    >>> bool((found - expected).abs().max() < 1e-5)
    True
    """
    x, *cache = blocks.read(lm.groups.total(before), *cache, position)
    return x, lm.end(x), *cache


def group_detail_step(blocks, lm, before, backbone, *cache):
    """The large pass of a GroupDetailLM (Stage II).

    ``before`` are the preceding groups, int64 [B, T, K], C where a token is
    missing, ``backbone`` those of the groups, int64 [B, T, b]. Returns the vector
    from which the fine tokens of the last group are predicted, [B, D], keys and
    values.
    """
    return blocks.read(
        lm.groups.total(before) + lm.backbones.total(backbone), *cache
    )


@torch.no_grad()
def depth_step(depth, hidden, tokens, predicted):
    """A small pass of a DepthNetwork: log-probabilities [B, C] of the next token.

    ``hidden`` [B, D] is from the large pass, ``tokens`` int64 [B, K] are those
    of the group; ``predicted``, int64 [1], counts the predicted ones so far, and
    tokens after these are ignored.

    Example
    -------
    >>> from speechbrain_gogo.lobes.speech.codes import depth as networks
    >>> depth = networks.DepthNetwork([4, 3], 5, 1, 16, 1, 32).eval()
    >>> hidden, tokens = torch.randn(7, 16), torch.randint(12, (7, 5))
    >>> found = depth_step(depth, hidden, tokens, torch.tensor([2]))
    >>> steps = networks.DepthSteps(depth).start(hidden)
    >>> expected = steps.log_probs(tokens[:, :3])
    >>> bool((found - expected).abs().max() < 1e-5)
    True
    """
    place = torch.arange(tokens.shape[1], device=tokens.device)
    known = place < predicted + depth.first
    before = (depth.tokens(tokens) * known.unsqueeze(1)).sum(1)  # [B, D]
    x = depth.run_blocks(hidden + before + depth.places[predicted])
    return depth.output.log_probs(x @ depth.heads[predicted][0].T)

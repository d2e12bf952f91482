"""Passes of the stages during generation, as functions without state.

What generation.py computes with objects that keep a cache, as modules whose
cache is an argument and a result: for export to other runtimes.

Those with one position per group have a large pass for each group, and small
ones for its tokens (:class:`DepthStep`).

Letters: B batch, T new positions, S cached positions, V ids with logits, K tokens
per group, b tokens of the backbone, L text ids, F frames per group, D width, C
codes.
"""

import torch
from torch import nn
from torch.nn import functional as F

from speechbrain_gogo.lobes.speech.decoding.stateless_llama import (
    StatelessLlama,
)
from speechbrain_gogo.lobes.speech.decoding.weights import Dense


class TokenStep(nn.Module):
    """A pass of a stage that reads and predicts token by token (Eq. 6, 7).

    Arguments
    ---------
    lm : BackboneLM | DetailLM
        In evaluation mode. Its weights are fused in place.

    Example
    -------
    >>> from speechbrain_gogo.lobes.speech.llama import speech_llama
    >>> from speechbrain_gogo.lobes.speech.stage1 import BackboneLM
    >>> lm = BackboneLM(speech_llama(50 + 80 + 2, 16, 2, 2, 32), 50, 80).eval()
    >>> step, padding = TokenStep(lm), torch.tensor([0, 2])
    >>> none = torch.zeros(step.blocks.cache_shape(2, 0))
    >>> ids = torch.randint(132, (2, 6))
    >>> logits, keys, values = step(ids, padding, none, none)
    >>> logits.shape, keys.shape  # 80 codes and the end
    (torch.Size([2, 81]), torch.Size([2, 2, 2, 6, 8]))
    """

    def __init__(self, lm):
        super().__init__()
        llama = lm.llama
        self.blocks = StatelessLlama(llama.model)
        self.embedding = llama.get_input_embeddings().weight.detach()
        self.output = Dense(llama.lm_head.weight[lm.output_slice])

    def forward(self, ids, padding, keys, values):
        """Logits [B, V] of the next token, keys and values, for ids int64 [B, T].

        ``padding``, ``keys`` and ``values`` are those of StatelessLlama.
        """
        x = F.embedding(ids, self.embedding)
        x, keys, values = self.blocks.read(x, padding, keys, values)
        return self.output(x[:, -1]), keys, values


class AlignedText(nn.Module):
    """Texts of an AlignedBackboneLM, and the durations of their letters."""

    def __init__(self, lm):
        super().__init__()
        self.text, self.durations = lm.text, lm.durations

    def forward(self, text, lengths):
        """Encode texts int64 [B, L] of ``lengths`` letters, int64 [B].

        0 letters are speech without text. Returns the encoded text [B, L + 1, D]
        and mean durations in frames, [B, L + 1].
        """
        encoded = self.text.encode(text, lengths)
        return encoded, self.durations.expected(encoded, lengths)


class AlignedStep(nn.Module):
    """A large pass of an AlignedBackboneLM, one position per group.

    Arguments
    ---------
    lm : AlignedBackboneLM
        In evaluation mode. The Llama's weights are fused in place.

    Example
    -------
    >>> from speechbrain_gogo.lobes.speech.aligned.stage1 import (
    ...     AlignedBackboneLM,
    ... )
    >>> lm = AlignedBackboneLM(50, [4, 3], dim=16, num_layers=1, num_heads=2)
    >>> lm, text = lm.eval(), torch.randint(50, (2, 6))
    >>> encoded, durations = AlignedText(lm)(text, torch.tensor([6, 3]))
    >>> step, padding = AlignedStep(lm), torch.tensor([0, 1])
    >>> none = torch.zeros(step.blocks.cache_shape(2, 0))
    >>> before, places = torch.full((2, 4, 3), 12), torch.zeros(2, 4, 6).long()
    >>> hidden, *cache = step(before, encoded, places, padding, none, none)
    >>> hidden.shape, cache[0].shape
    (torch.Size([2, 16]), torch.Size([1, 2, 2, 4, 8]))
    """

    def __init__(self, lm):
        super().__init__()
        self.groups, self.said = lm.groups, lm.said
        self.blocks = StatelessLlama(lm.llama)

    def forward(self, before, encoded, places, padding, keys, values):
        """Vector from which the next group is predicted.

        ``before`` are the tokens of the preceding groups, int64 [B, T, b], C for
        none; ``encoded`` is the text, from :class:`AlignedText`; ``places`` is the
        position in the text of each frame of the groups that follow them, int64
        [B, T, F]; ``padding``, ``keys`` and ``values`` are those of StatelessLlama.
        Returns the hidden state of the last position, [B, D], keys and values.
        """
        x = self.groups.total(before) + self.said(encoded, places)
        x, keys, values = self.blocks.read(x, padding, keys, values)
        return x[:, -1], keys, values


class DepthStep(nn.Module):
    """A small pass: the next token of a group.

    Arguments
    ---------
    depth : DepthNetwork
        In evaluation mode.

    Example
    -------
    >>> from speechbrain_gogo.lobes.speech.codes import depth as networks
    >>> depth = networks.DepthNetwork([4, 3], 5, 0, 16, 1, 32).eval()
    >>> hidden, tokens = torch.randn(7, 16), torch.randint(12, (7, 5))
    >>> found = DepthStep(depth)(hidden, tokens, torch.tensor([2]))
    >>> steps = networks.DepthSteps(depth).start(hidden)
    >>> expected = steps.log_probs(tokens[:, :2])
    >>> bool((found - expected).abs().max() < 1e-5)
    True
    """

    def __init__(self, depth):
        super().__init__()
        self.depth = depth

    @torch.no_grad()
    def forward(self, hidden, tokens, place):
        """Log-probabilities [B, C] of the next token.

        ``hidden`` [B, D] is from the large pass, ``tokens`` int64 [B, K] are those
        of the group, of which those from ``place``, int64 [1], on are ignored.
        """
        depth = self.depth
        known = torch.arange(tokens.shape[1], device=tokens.device) < place
        before = (depth.tokens(tokens) * known.unsqueeze(1)).sum(1)  # [B, D]
        row = place - depth.first
        x = depth.run_blocks(hidden + before + depth.places[row])
        return depth.output.log_probs(x @ depth.heads[row][0].T)


class GroupText(nn.Module):
    """The pass of a GroupBackboneLM over ids: text and start, before the speech.

    ``lm`` is in evaluation mode; the Llama's weights are fused in place.
    """

    def __init__(self, lm):
        super().__init__()
        self.embedding, self.end = lm.text, lm.end
        self.blocks = StatelessLlama(lm.llama)

    def forward(self, ids, padding, keys, values):
        """Vector from which the next group is predicted, for ids int64 [B, T].

        ``padding``, ``keys`` and ``values`` are those of StatelessLlama. Returns
        the hidden state of the last position, [B, D]; the score of the end,
        [B, 1]; keys and values.
        """
        x, keys, values = self.blocks.read(
            self.embedding(ids), padding, keys, values
        )
        return x[:, -1], self.end(x[:, -1]), keys, values


class GroupBackboneStep(nn.Module):
    """The pass of a GroupBackboneLM over groups.

    Arguments
    ---------
    lm : GroupBackboneLM
        In evaluation mode.
    blocks : StatelessLlama
        Those of the :class:`GroupText`.

    Example
    -------
    >>> from speechbrain_gogo.lobes.speech.group_stage1 import GroupBackboneLM
    >>> lm = GroupBackboneLM(50, [4, 3], dim=16, num_layers=1, num_heads=2)
    >>> text, groups = torch.randint(50, (1, 6)), torch.randint(12, (1, 4, 3))
    >>> one = torch.ones(1)
    >>> real = torch.ones(1, 4, dtype=torch.bool)
    >>> x, position, _ = lm.eval().sequence(text, one, groups, real)
    >>> expected = lm.llama(x, position=position)[:, -1].detach()
    >>> ids, _ = lm.prefix(text, one)
    >>> read = GroupText(lm)
    >>> step, padding = GroupBackboneStep(lm, read.blocks), torch.tensor([0])
    >>> none = torch.zeros(step.blocks.cache_shape(1, 0))
    >>> _, _, *cache = read(ids, padding, none, none)
    >>> found, _, *cache = step(groups, position[:, -4:], padding, *cache)
    >>> bool((found - expected).abs().max() < 1e-5)
    True
    """

    def __init__(self, lm, blocks):
        super().__init__()
        self.groups, self.end = lm.groups, lm.end
        self.blocks = blocks

    def forward(self, before, position, padding, keys, values):
        """Vector from which the next group is predicted, as :class:`GroupText`.

        ``before`` are the preceding groups, int64 [B, T, b], ``position`` their
        rotary positions, int64 [B, T]: the first group has the number of ids, and
        each further one ``group_stride`` more.
        """
        x = self.groups.total(before)
        x, keys, values = self.blocks.read(x, padding, keys, values, position)
        return x[:, -1], self.end(x[:, -1]), keys, values


class GroupDetailStep(nn.Module):
    """The pass of a GroupDetailLM (Stage II).

    Arguments
    ---------
    lm : GroupDetailLM
        In evaluation mode. The Llama's weights are fused in place.

    Example
    -------
    >>> from speechbrain_gogo.lobes.speech.group_stage2 import GroupDetailLM
    >>> lm = GroupDetailLM([4, 3], dim=16, num_layers=1, num_heads=2).eval()
    >>> tokens = torch.randint(12, (1, 4, 10))
    >>> expected = lm.llama(lm.sequence(tokens))[:, -1].detach()
    >>> step, padding = GroupDetailStep(lm), torch.tensor([0])
    >>> none = torch.zeros(step.blocks.cache_shape(1, 0))
    >>> nothing = torch.full((1, 1, 10), 12)
    >>> before = torch.cat([nothing, tokens[:, :-1]], dim=1)
    >>> found, *cache = step(before, tokens[..., :3], padding, none, none)
    >>> bool((found - expected).abs().max() < 1e-5)
    True
    """

    def __init__(self, lm):
        super().__init__()
        self.groups, self.backbones = lm.groups, lm.backbones
        self.blocks = StatelessLlama(lm.llama)

    def forward(self, before, backbone, padding, keys, values):
        """Vector from which the fine tokens of the last group are predicted.

        ``before`` are the preceding groups, int64 [B, T, K], C where a token is
        missing, ``backbone`` those of the groups, int64 [B, T, b]. ``padding``,
        ``keys`` and ``values`` are those of StatelessLlama. Returns the hidden
        state of the last position, [B, D], keys and values.
        """
        x = self.groups.total(before) + self.backbones.total(backbone)
        x, keys, values = self.blocks.read(x, padding, keys, values)
        return x[:, -1], keys, values


class FineStep(DepthStep):
    """A small pass: the next fine token of a group whose backbone is given."""

    def forward(self, hidden, tokens, fine):
        """As :class:`DepthStep`; ``fine``, int64 [1], counts the fine tokens so far."""
        return super().forward(hidden, tokens, fine + self.depth.first)

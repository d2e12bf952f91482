"""State of a stage that takes one large pass per group, during generation.

It has the interface of DecodingState: tokens are sampled and appended one by
one. The large pass runs when the first token of a group is sampled, and also
reads the groups that were appended since.

Letters: B batch, T new positions, N groups, K tokens per group in the input, D
width; the token C is m, the masking token.
"""

from typing import NamedTuple

import torch

from speechbrain_gogo.lobes.speech.codes.depth import DepthSteps
from speechbrain_gogo.lobes.speech.decoding.cached_llama import CachedLlama
from speechbrain_gogo.lobes.speech.decoding.llama_weights import LlamaWeights


class GroupWeights(NamedTuple):
    """Weights of a stage that takes one large pass per group."""

    blocks: LlamaWeights
    depth: DepthSteps


class GroupDecoder:
    """The Llama of a stage over new groups only.

    ``passes`` counts those since the last :meth:`reset`.

    Arguments
    ---------
    weights : GroupWeights
        Weights of the stage, which several decoders may share.
    batch : int
        Sequences in the batch.
    max_length : int
        Positions to allocate, left padding included.
    """

    def __init__(self, weights, batch, max_length):
        self.blocks = CachedLlama(weights.blocks, batch, max_length)
        self.depth = weights.depth
        self.reset()

    def reset(self):
        """Empty the cache."""
        self.blocks.reset()
        self.passes = 0

    def allocate(self, batch, max_length):
        """Empty the cache, which gets another size."""
        self.blocks.allocate(batch, max_length)
        self.reset()

    def step(self, x, position, padding=None):
        """Vectors [B, T, D] to the hidden state of the last one, [B, D]."""
        self.passes += 1
        return self.blocks.step(x, position, padding)[:, -1]


class GroupState:
    """Tokens so far, and groups that are not in the cache yet.

    Arguments
    ---------
    lm : GroupBackboneLM | GroupDetailLM
        In evaluation mode.
    sampler : Sampler
        Sampler with one seed for each utterance.
    sequence : tuple of torch.Tensor
        Vectors [B, S, D] before the first new group, their rotary positions
        [B, S], and bool [B, S], which are real.
    prompt : torch.Tensor
        int64 [B, N, K], the groups of the sequence.
    real : torch.Tensor
        bool [B, N], which of them an utterance has.
    guidance : float
        Scale w of classifier-free guidance. If it is not 0, the second half
        of the sequences is the first half without its text.
    """

    def __init__(self, lm, sampler, sequence, prompt, real, guidance=0.0):
        self.lm, self.sampler, self.guidance = lm, sampler, guidance
        x, position, kept = sequence
        order = kept.long().argsort(dim=1, stable=True)  # padding first
        self.used = kept.sum(1)
        longest = int(self.used.max())
        order = order[:, order.shape[1] - longest :]
        self.pending = [x.take_along_dim(order[..., None], dim=1)]
        self.positions = [position.gather(1, order)]
        self.padding = longest - self.used
        # Rotary position of the next group: after the last of the prompt.
        stride = getattr(lm, "group_stride", 1)
        prefix = kept[:, : kept.shape[1] - prompt.shape[1]].sum(1)
        self.next = prefix + stride * real.sum(1)  # [B]
        self.stride = stride
        self.before = _last_group(prompt, real, lm.codebook_size)
        if guidance:
            halves = len(x) // 2
            prompt, real = prompt[:halves], real[:halves]
        tokens = torch.where(real[..., None], prompt, lm.codebook_size)
        size = len(tokens), lm.codebook_size + 1
        self.seen = torch.zeros(size, dtype=torch.bool, device=x.device)
        self.seen.scatter_(1, tokens.flatten(1), True)
        self.seen[:, -1] = False  # padding, not the end token
        self.group = self.before[:, :0]
        self.hidden = self.steps = None
        self.decoder = None  # comes with the first sample

    @torch.inference_mode()
    def sample(self, position, num_tokens):
        """Sample the next token, one of the first ``num_tokens``, int64 [B]."""
        if self.hidden is None:
            self.hidden = self.decoder.step(
                torch.cat(self.pending, dim=1),
                torch.cat(self.positions, dim=1),
                self.padding,
            )
            self.pending, self.positions, self.padding = [], [], None
            self.steps = self.decoder.depth.start(self.hidden)
        logits = self.log_probs()[:, :num_tokens]
        if self.guidance:
            cond, uncond = logits.chunk(2)
            logits = cond.lerp_(uncond, -self.guidance)
        return self.sampler.draw(logits, self.seen[:, :num_tokens], position)

    @torch.inference_mode()
    def append(self, tokens):
        """Append tokens [B, T] to the group."""
        if self.sampler.repetition_penalty != 1:
            self.seen.scatter_(1, tokens, True)
        if self.guidance:
            tokens = torch.cat([tokens, tokens])
        self.group = torch.cat([self.group, tokens], dim=1)
        complete = self.group.shape[1] == self.lm.group_tokens
        if complete:
            self.before, self.group = self.group, self.group[:, :0]
        # Stage I reads a group once it is complete, Stage II its backbone.
        if self.group.shape[1] == self.lm.given and (complete or self.lm.given):
            self.pending.append(self.group_inputs().unsqueeze(1))
            self.positions.append(self.next.unsqueeze(1))
            self.next = self.next + self.stride
            self.hidden = None

    # Methods that AlignedState overrides

    def log_probs(self):
        """Log-probabilities of the next token, [B, C], and of the end."""
        return self.lm.log_probs(self.hidden, self.group, self.steps)

    def group_inputs(self):
        """Input of the next pass, [B, D]."""
        return self.lm.group_inputs(self.before, self.group)


def _last_group(prompt, real, missing):
    """The last group of each prompt [B, N, K], or m, int64 [B, K]."""
    nothing = prompt.new_full((len(prompt), 1, prompt.shape[2]), missing)
    groups = torch.cat([nothing, prompt], dim=1)
    row = torch.arange(len(prompt), device=prompt.device)
    return groups[row, real.sum(1)]

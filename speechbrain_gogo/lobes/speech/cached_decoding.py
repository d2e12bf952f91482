"""Autoregressive decoding with a key-value cache, one token at a time.

:class:`CachedDecoder` runs a Llama over new tokens only (cached_llama.py), and
computes logits for the ids that can be sampled, not for the whole vocabulary.
:class:`Sampler` samples from these logits. A step takes about the time of
reading the weights.

Letters: B batch, T new tokens, S positions, V ids with logits.
"""

import torch

from speechbrain_gogo.lobes.speech.decoding.cached_llama import CachedLlama

# Only short inputs are compiled: longer ones (prompts) are rare, have many
# different lengths, and are bound by computation anyway.
LONGEST_COMPILED = 16
GRAPHS = 64


class CachedDecoder:
    """A Llama with a key-value cache of fixed size.

    ``passes`` counts the forward passes since the last :meth:`reset`.

    Arguments
    ---------
    weights : TokenWeights
        Weights of the Llama, which several decoders may share.
    batch : int
        Sequences in the batch, B.
    max_length : int
        Positions to allocate, S, left padding included.
    compiled : bool
        Compile passes over few tokens, to CUDA graphs on a GPU. The first
        pass takes a minute, so reuse the decoder and :meth:`reset` it.

    Example
    -------
    >>> from speechbrain_gogo.lobes.speech.llama import speech_llama
    >>> llama = speech_llama(20, 16, 2, 2, 32).eval()
    >>> from speechbrain_gogo.lobes.speech.decoding.llama_weights import (
    ...     TokenWeights,
    ... )
    >>> ids = torch.randint(20, (1, 6))
    >>> weights = TokenWeights.of(llama, slice(5, 20))
    >>> decoder = CachedDecoder(weights, batch=1, max_length=8)
    >>> _ = decoder.step(ids[:, :4])
    >>> found = decoder.step(ids[:, 4:])
    >>> found.shape, decoder.passes
    (torch.Size([1, 15]), 2)
    >>> bool((found - llama(ids).logits[:, -1, 5:]).abs().max() < 1e-5)
    True
    """

    def __init__(self, weights, batch, max_length, compiled=False):
        self.blocks = CachedLlama(
            weights.blocks, batch, max_length, static=compiled
        )
        self.embedding, self.output = weights.embedding, weights.output
        self.compiled = compiled
        if compiled:
            on_gpu = self.blocks.like.device.type == "cuda"
            mode = "reduce-overhead" if on_gpu else "default"
            self.short = torch.compile(self._forward, fullgraph=True, mode=mode)
            # One graph for each model, batch size and number of ids. Beyond
            # the limit torch falls back to eager mode without a warning.
            settings = torch.compiler.config
            settings.recompile_limit = max(settings.recompile_limit, GRAPHS)
        self.passes = 0

    def reset(self):
        """Empty the cache."""
        self.blocks.reset()
        self.passes = 0

    def allocate(self, batch, max_length):
        """Empty the cache; unless passes are compiled, make it of another size."""
        if not self.compiled:
            self.blocks.allocate(batch, max_length)
        self.reset()

    def step(self, ids, padding=None):
        """Run the model over new ids.

        Arguments
        ---------
        ids : torch.Tensor
            int64 [B, T].
        padding : torch.Tensor
            int64 [B], number of padding ids on the left; allowed in the first
            call only.

        Returns
        -------
        torch.Tensor
            Logits [B, V] of the next token. The next call may overwrite
            this tensor.

        Raises
        ------
        ValueError
            If the cache has too few positions.
        """
        self.blocks.advance(ids.shape[1], padding)
        self.passes += 1
        if not self.compiled:
            with torch.inference_mode():
                return self._forward(ids)
        with torch.no_grad():
            if ids.shape[1] > LONGEST_COMPILED:
                return self._forward(ids)
            torch.compiler.cudagraph_mark_step_begin()
            return self.short(ids)

    def _forward(self, ids):
        """ids [B, T] -> logits [B, V] of the token after the last one."""
        hidden = self.blocks.forward(self.embedding(ids))
        return self.output(hidden[:, -1])


class Sampler:
    """Draws tokens, with a seed for each utterance.

    The random number of a sample depends on the utterance's seed and the
    position of the token only: not on the rest of the batch, nor on the device.

    Arguments
    ---------
    seeds : list of int
        One for each utterance. The two stages need different ones.
    temperature : float
        0 takes the most probable token.
    repetition_penalty : float
        Divides (multiplies, where negative) the logits of tokens that already
        occurred in the utterance.
    top_p : float
        Sample from the most probable tokens that together have this
        probability.
    top_k : int
        Sample from this many most probable tokens; 0: from all.
    text_guidance : float
        Used by the caller that computes the logits, see
        :func:`~speechbrain_gogo.lobes.speech.generation.generate_backbone`.

    Example
    -------
    >>> logits, seen = torch.randn(2, 9), torch.zeros(2, 9, dtype=torch.bool)
    >>> both = Sampler([3, 4]).draw(logits, seen, position=7)
    >>> alone = Sampler([4]).draw(logits[1:], seen[1:], position=7)
    >>> bool(both[1] == alone[0])
    True
    """

    def __init__(
        self,
        seeds,
        temperature=0.8,
        repetition_penalty=1.2,
        top_p=1.0,
        top_k=0,
        text_guidance=0.0,
    ):
        self.text_guidance = text_guidance
        self.generators = [
            torch.Generator().manual_seed(seed) for seed in seeds
        ]
        self.uniform = torch.empty(len(seeds), 0)
        self.repetition_penalty = repetition_penalty
        self.greedy = temperature == 0
        self.temperature = 1.0 if self.greedy else float(temperature)
        self.warpers = []
        if top_k or top_p < 1:
            from transformers import TopKLogitsWarper, TopPLogitsWarper

            self.warpers += [TopKLogitsWarper(top_k)] if top_k else []
            self.warpers += [TopPLogitsWarper(top_p)] if top_p < 1 else []

    def draw(self, logits, seen, position):
        """Sample a token for each utterance.

        Arguments
        ---------
        logits : torch.Tensor
            [B, V].
        seen : torch.Tensor
            bool [B, V], True for tokens that already occurred.
        position : int
            Position of the token in its utterance.

        Returns
        -------
        torch.Tensor
            Indices of the V logits, int64 [B].
        """
        logits = logits.float()
        if self.repetition_penalty != 1:
            penalty = self.repetition_penalty
            less = torch.where(logits < 0, logits * penalty, logits / penalty)
            logits = torch.where(seen, less, logits)
        if self.greedy:
            return logits.argmax(1)
        logits = (logits - logits.amax(1, keepdim=True)).div_(self.temperature)
        for warper in self.warpers:
            logits = warper(None, logits)
        # No exponential is below e^-80: denormal numbers are slow. Sums are
        # rounded to float32, but torch adds them up in double precision.
        ends = logits.clamp_(min=-80).exp_().cumsum_(1)
        chance = self._uniform(position, logits.device)
        drawn = torch.searchsorted(ends, chance * ends[:, -1:], right=True)
        return drawn.squeeze(1)

    def _uniform(self, position, device):
        """Uniform random numbers of a position, [B, 1].

        They are below 1 by more than the rounding of a sum of probabilities,
        so that they never choose the last ids if these have probability 0.
        """
        while position >= self.uniform.shape[1]:
            more = [torch.rand(1024, generator=g) for g in self.generators]
            known = self.uniform.to(device)
            more = torch.stack(more).to(device) * (1 - 1e-6)
            self.uniform = torch.cat([known, more], dim=1)
        return self.uniform[:, position, None]

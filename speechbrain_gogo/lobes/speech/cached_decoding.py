"""Reading and drawing, one token at a time.

:class:`Reader` runs a Llama over what it has not read yet: keys and values
are kept in memory that is allocated once, and only the rows of the output
that can be spoken are computed. :class:`Sampler` draws from what it says. A
step is bound by the weights that it reads, so nothing else may cost.

Letters: B batch, T tokens read at a time, S positions, V rows of the output.
"""

import torch
from torch.nn import functional as F
from transformers import StaticCache
from transformers.generation.logits_process import (
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

# Longer pieces (prompts) are rare, each has a length of its own, and they
# keep the device busy: only shorter ones are compiled.
LONGEST_COMPILED = 16
GRAPHS = 64


class Reader:
    """A Llama that has read something, and reads on.

    ``passes`` counts its forward passes.

    Arguments
    ---------
    llama : transformers.LlamaForCausalLM
        In evaluation mode.
    rows : slice
        Rows of the output that are wanted.
    batch : int
        Sequences that are read side by side, B.
    max_length : int
        Positions to allocate, S, left padding included.
    compiled : bool
        Compile short passes, as CUDA graphs where there is a GPU: the first
        takes a minute, so keep the reader and :meth:`reset` it.

    Example
    -------
    >>> from speechbrain_gogo.lobes.speech.llama import speech_llama
    >>> llama = speech_llama(20, 16, 2, 2, 32).eval()
    >>> ids = torch.randint(20, (1, 6))
    >>> reader = Reader(llama, slice(5, 20), batch=1, max_length=8)
    >>> _ = reader.read(ids[:, :4])
    >>> found = reader.read(ids[:, 4:])
    >>> found.shape, reader.passes
    (torch.Size([1, 15]), 2)
    >>> bool((found - llama(ids).logits[:, -1, 5:]).abs().max() < 1e-5)
    True
    """

    def __init__(self, llama, rows, batch, max_length, compiled=False):
        self.llama, self.rows = llama, rows
        self.max_length = max_length
        device = llama.device
        self.cache = StaticCache(llama.config, max_cache_len=max_length)
        self.padding = torch.zeros(batch, dtype=torch.long, device=device)
        self.keys = torch.arange(max_length, device=device)
        self.short = self.long = self._forward
        if compiled:
            mode = "reduce-overhead" if device.type == "cuda" else "default"
            self.short = torch.compile(self._forward, fullgraph=True, mode=mode)
            # Graphs for one id and for several, of one sequence and several,
            # of every model and length: beyond the limit they would silently
            # not be compiled.
            limit = max(torch._dynamo.config.recompile_limit, GRAPHS)
            torch._dynamo.config.recompile_limit = limit
        self.length = self.passes = 0

    def reset(self):
        """Forget what was read."""
        self.cache.reset()
        self.padding.zero_()
        self.length = self.passes = 0

    @torch.no_grad()
    def read(self, ids, padding=None):
        """Read on.

        Arguments
        ---------
        ids : torch.Tensor
            int64 [B, T].
        padding : torch.Tensor
            int64 [B], how many ids on the left are none; only where nothing
            has been read yet.

        Returns
        -------
        torch.Tensor
            Logits [B, V] of what comes next; the next call may overwrite
            them.

        Raises
        ------
        ValueError
            If there is no room for so many ids.
        """
        self.length += ids.shape[1]
        if self.length > self.max_length:
            raise ValueError(
                f"The reader has {self.max_length} positions and was given "
                f"{self.length} ids: make it with a larger max_length."
            )
        if padding is not None:
            self.padding.copy_(padding)
        self.passes += 1
        # The first piece allocates the cache, which cannot be compiled.
        first = self.length == ids.shape[1]
        if first or ids.shape[1] > LONGEST_COMPILED:
            return self.long(ids)
        torch.compiler.cudagraph_mark_step_begin()
        return self.short(ids)

    def _forward(self, ids):
        """ids [B, T] -> logits [B, V] of the last one's successor."""
        place = torch.arange(ids.shape[1], device=ids.device)
        place = (self.cache.get_seq_length() + place).unsqueeze(1)  # [T, 1]
        real = self.keys >= self.padding[:, None, None]  # [B, 1, S]
        # A place of the padding sees itself: it must see something.
        seen = (self.keys <= place) & (real | (self.keys == place))
        position = place[:, 0] - self.padding.unsqueeze(1)  # [B, T]
        # By place: the cache was called past_key_values before 5.24, and that
        # name ends with 5.40.
        hidden = self.llama.model(
            ids,
            seen.unsqueeze(1),  # attention_mask [B, 1, T, S]
            position.clamp(min=0),  # position_ids
            self.cache,
            use_cache=True,
        ).last_hidden_state
        # A view: the other rows are never read.
        return F.linear(hidden[:, -1], self.llama.lm_head.weight[self.rows])


class Sampler:
    """Draws tokens; each utterance from its own seed.

    A draw hangs on the utterance's seed and the place of the token alone: not
    on what else is in the batch, nor on the device.

    Arguments
    ---------
    seeds : list of int
        One for each utterance. Give the two stages different ones.
    temperature : float
        0 takes the likeliest token.
    repetition_penalty : float
        Divides (multiplies, where negative) the logits of tokens that were
        already said.
    top_p : float
        Draw from the likeliest tokens that together have this probability.
    top_k : int
        Draw from so many likeliest tokens; 0 is all of them.
    text_guidance : float
        For who computes the logits, see
        :func:`~speechbrain_gogo.lobes.speech.generation.speak_backbone`.

    Example
    -------
    >>> logits, seen = torch.randn(2, 9), torch.zeros(2, 9, dtype=torch.bool)
    >>> both = Sampler([3, 4]).draw(logits, seen, place=7)
    >>> alone = Sampler([4]).draw(logits[1:], seen[1:], place=7)
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
        self.warpers = LogitsProcessorList()
        if not self.greedy and temperature != 1:
            self.warpers.append(TemperatureLogitsWarper(float(temperature)))
        if top_k:
            self.warpers.append(TopKLogitsWarper(top_k))
        if top_p < 1:
            self.warpers.append(TopPLogitsWarper(top_p))

    def draw(self, logits, seen, place):
        """Draw a token for each utterance.

        Arguments
        ---------
        logits : torch.Tensor
            [B, V].
        seen : torch.Tensor
            bool [B, V], which tokens were already said.
        place : int
            Of the token in its utterance.

        Returns
        -------
        torch.Tensor
            Rows of the logits, int64 [B].
        """
        logits = logits.float()
        if self.repetition_penalty != 1:
            penalty = self.repetition_penalty
            less = torch.where(logits < 0, logits * penalty, logits / penalty)
            logits = torch.where(seen, less, logits)
        if self.greedy:
            return logits.argmax(1)
        # In double: the fewer sums are rounded, the fewer draws fall between
        # those of an utterance alone and in a batch.
        likely = self.warpers(None, logits).double().softmax(1).cumsum(1)
        # Below 1 by more than the rounding of the sum: the last rows may be
        # ones that cannot be drawn.
        chance = self._chance(place, logits.device) * (1 - 1e-6)
        drawn = torch.searchsorted(likely, chance * likely[:, -1:], right=True)
        return drawn.squeeze(1)

    def _chance(self, place, device):
        """Uniform numbers in [0, 1) that belong to a place, [B, 1]."""
        while place >= self.uniform.shape[1]:
            more = [torch.rand(1024, generator=g) for g in self.generators]
            known = self.uniform.to(device)
            more = torch.stack(more).to(device)
            self.uniform = torch.cat([known, more], dim=1)
        return self.uniform[:, place, None]

"""State of a stage during generation: its sequence and its sampled tokens.

Letters: B batch, T new tokens, C codes; the token C is m, the masking token.
"""

import torch

from speechbrain_gogo.lobes.tokens.patterns import pack


class DecodingState:
    """State of a stage during generation: pending ids and the tokens so far.

    Pending ids are part of the sequence, but not in the cache yet: they enter
    with the next forward pass.

    Arguments
    ---------
    lm : BackboneLM | DetailLM
        In evaluation mode.
    sampler : Sampler
        Sampler with one seed for each utterance.
    pieces : list of tuple of torch.Tensor
        The sequence up to here, see `pack`; the last piece is speech.
    guidance : float
        Scale w of classifier-free guidance. If it is not 0, the second half
        of the sequences is the first half without its text.
    """

    def __init__(self, lm, sampler, pieces, guidance=0.0):
        self.lm, self.sampler = lm, sampler
        self.guidance = guidance
        self.pending, length = pack(pieces, left=True)
        self.used = length  # positions of each sequence
        self.padding = self.pending.shape[1] - length
        halves = 2 if guidance else 1
        ids, real = (part.chunk(halves)[0] for part in pieces[-1])
        tokens = torch.where(real, ids - lm.offset, lm.codebook_size)
        self.seen = real.new_zeros(len(ids), lm.codebook_size + 1)
        self.seen.scatter_(1, tokens, True)
        self.seen[:, -1] = False  # padding, not the end token
        self.decoder = None  # comes with the first sample

    def sample(self, position, num_tokens):
        """Sample the next token, one of the first ``num_tokens``, int64 [B]."""
        logits = self.decoder.step(self.pending, self.padding)[:, :num_tokens]
        self.pending = self.pending[:, :0]
        self.padding = None
        if self.guidance:
            cond, uncond = logits.float().chunk(2)
            difference = cond.log_softmax(1) - uncond.log_softmax(1)
            logits = cond + self.guidance * difference
        return self.sampler.draw(logits, self.seen[:, :num_tokens], position)

    def append(self, tokens):
        """Append tokens [B, T]; they are pending until the next pass."""
        self.seen.scatter_(1, tokens, True)
        ids = tokens + self.lm.offset
        ids = torch.cat([ids, ids]) if self.guidance else ids
        self.pending = torch.cat([self.pending, ids], dim=1)

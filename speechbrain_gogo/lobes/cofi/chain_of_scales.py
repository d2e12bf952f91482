"""Chain-of-scale generation: one language model, scale after scale (Fig. 1 b).

Letters: B batch, R rows, D width.
"""

import torch

from speechbrain_gogo.lobes.cofi.scale_lm import ScaleLM
from speechbrain_gogo.lobes.speech.streams.gpt import gpt


class ChainOfScales(ScaleLM):
    """[reference][text][coarsest scale] ... [finest scale], read by one GPT-2.

    Arguments
    ---------
    *args, **kwargs
        Arguments of :class:`~speechbrain_gogo.lobes.cofi.scale_lm.ScaleLM`.

    Example
    -------
    >>> lm = ChainOfScales(
    ...     30, 64, [1, 3, 6], [1, 1, 4], 8, dim=16, num_layers=1, num_heads=2
    ... )
    >>> text, tokens = torch.randint(30, (2, 5)), torch.randint(64, (2, 6, 28))
    >>> lens = torch.tensor([1.0, 0.5])
    >>> out = lm(torch.randn(2, 8), text, lens, tokens, lens)
    >>> out["loss"].shape, out["nll"].shape  # (6 + 3) x 28 tokens, 2 EOS
    (torch.Size([]), torch.Size([254]))
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        rows = sum(scale.max_rows for scale in self.scales)
        sizes = self.sizes
        self.gpt = gpt(
            self.dim,
            sizes["num_layers"],
            sizes["num_heads"],
            1 + self.text_positions + rows,
            sizes["dropout"],
        )

    @property
    def gpts(self):
        """Its GPT-2s."""
        return [self.gpt]

    def hidden_states(self, prefix, scales):
        """As in :class:`ScaleLM`."""
        vectors, real = [prefix[0]], [prefix[1]]
        for scale, (rows, counts) in zip(self.scales, scales):
            vectors.append(rows)
            real.append(self.real_rows(scale, counts, rows.shape[1]))
        hidden = self.gpt(
            inputs_embeds=torch.cat(vectors, dim=1),
            attention_mask=torch.cat(real, dim=1).long(),
        ).last_hidden_state
        return hidden.split([part.shape[1] for part in vectors], dim=1)[1:]

    def follow(self, previous, number):
        """As in :class:`ScaleLM`: the last row is read with the next scale."""
        return {
            "reader": previous.reader,
            "context": previous.rest(),
            "condition": None,
        }

    def parts(self, num_ids, num_groups):
        """As in :class:`ScaleLM`."""
        prefix, scales = self._sizes(num_ids, num_groups)
        return [[*prefix, *scales]]

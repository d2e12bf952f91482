"""Stack-of-scale generation: a language model for each scale (Fig. 1 c).

The first GPT-2 generates the coarsest scale from reference and text. Each
further GPT-2 reads the last hidden states of the preceding one, both as a
prompt and, upsampled, added to its own rows. It reads neither reference nor
text.

Letters: B batch, T steps of the scale before, R rows, D width.
"""

import torch
from torch import nn

from speechbrain_gogo.lobes.cofi.scale_lm import ScaleLM
from speechbrain_gogo.lobes.speech.decoding.cached_gpt2 import CachedGPT2
from speechbrain_gogo.lobes.speech.streams.gpt import gpt, pad_left


class StackOfScales(ScaleLM):
    """One GPT-2 for each scale, trained together.

    Arguments
    ---------
    *args, **kwargs
        Arguments of :class:`~speechbrain_gogo.lobes.cofi.scale_lm.ScaleLM`.

    Example
    -------
    >>> lm = StackOfScales(
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
        sizes, before = self.sizes, 1 + self.text_positions
        self.gpts = nn.ModuleList()
        self.bridges = nn.ModuleList()
        for number, (scale, level) in enumerate(zip(self.scales, self.levels)):
            if number:
                self.bridges.append(Bridge(self.dim, before))
            model = gpt(
                self.dim,
                sizes["num_layers"],
                sizes["num_heads"],
                before + scale.max_rows,
                sizes["dropout"],
            )
            self.gpts.append(model)
            before = level.steps * self.group_positions

    def hidden_states(self, prefix, scales):
        """As in :class:`ScaleLM`."""
        (vectors, real), found = prefix, []
        for number, (rows, counts) in enumerate(scales):
            scale = self.scales[number]
            if number:
                # The state of a step is the one at its last stream.
                states = found[-1][:, 1 + self.scales[number - 1].lag :]
                steps = scales[number - 1][1]
                (vectors, real), added = self._bridge(number, states, steps)
                places = torch.arange(rows.shape[1], device=rows.device)
                last = added.shape[1] - 1
                rows = rows + added[:, places.clamp(max=last)]
            own = self.real_rows(scale, counts, rows.shape[1])
            hidden = self.gpts[number](
                inputs_embeds=torch.cat([vectors, rows], dim=1),
                attention_mask=torch.cat([real, own], dim=1).long(),
            ).last_hidden_state
            found.append(hidden[:, vectors.shape[1] :])
        return found

    def follow(self, previous, number):
        """As in :class:`ScaleLM`: hidden states are its prompt, and added."""
        context, added = self._bridge(number, *previous.states())
        return {
            "reader": CachedGPT2(self.gpts[number], len(added)),
            "context": context,
            "condition": added,
        }

    def parts(self, num_ids, num_groups):
        """As in :class:`ScaleLM`."""
        prefix, (first, *others) = self._sizes(num_ids, num_groups)
        found = [[*prefix, first]]
        for level, scale in zip(self.levels, others):
            states = f"states of {level.name}", num_groups * level.steps
            found.append([states, scale])
        return found

    def _bridge(self, number, states, counts):
        """Prompt of a scale, and what is added to its rows."""
        bridge, ratio = self.bridges[number - 1], self.ratios[number - 1]
        return bridge(states, counts, ratio)


class Bridge(nn.Module):
    """Hidden states of one language model as inputs of the next.

    ``dim`` is D, ``max_steps`` the largest number of steps with states.
    """

    def __init__(self, dim, max_steps):
        super().__init__()
        # To the scale of the embeddings that it is added to.
        self.project = nn.Linear(dim, dim)
        nn.init.normal_(self.project.weight, std=0.02 * dim**-0.5)
        self.place = nn.Embedding(max_steps, dim)
        nn.init.normal_(self.place.weight, std=0.02)

    def forward(self, states, counts, ratio):
        """States [B, T, D] as a prompt, and upsampled.

        Utterances have ``counts`` states, int64 [B]; the next scale has ``ratio``
        steps for each. Gives the prompt, padded on the left, [B, T, D] and which are
        real, bool [B, T]; and what is added to the row from which the next scale's
        step n is predicted, [B, ratio * T, D]: the state of step n // ratio, and
        after an utterance's end its last one.
        """
        x = self.project(states)
        places = torch.arange(x.shape[1], device=x.device)
        prompt = pad_left(x + self.place(places), places < counts[:, None])
        fine = torch.arange(ratio * x.shape[1], device=x.device) // ratio
        index = fine.clamp(max=counts[:, None] - 1)
        return prompt, x.take_along_dim(index[..., None], dim=1)

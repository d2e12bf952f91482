"""The sampler draws from the distribution."""

import torch
from transformers import RepetitionPenaltyLogitsProcessor

from speechbrain_gogo.lobes.speech.cached_decoding import Sampler


def test_sampler_draws_from_the_distribution():
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0, -torch.inf])
    seen = torch.tensor([True, False, False, True, False])
    sampler = Sampler([0], temperature=0.5, repetition_penalty=2.0)
    said = torch.tensor([[0, 3]])
    penalized = RepetitionPenaltyLogitsProcessor(2.0)(said, logits[None])
    expected = (penalized[0] / 0.5).softmax(0)
    drawn = [
        int(sampler.draw(logits[None], seen[None], place))
        for place in range(4000)
    ]
    found = torch.bincount(torch.tensor(drawn), minlength=5) / 4000
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0)
    nothing = torch.zeros(1, 5, dtype=torch.bool)
    for settings, possible in (
        ({"top_k": 2}, {0, 1}),
        ({"top_p": 0.6}, {0}),
        ({"temperature": 0}, {0}),
    ):
        sampler = Sampler([0], **settings)
        drawn = {int(sampler.draw(logits[None], nothing, i)) for i in range(50)}
        assert drawn == possible

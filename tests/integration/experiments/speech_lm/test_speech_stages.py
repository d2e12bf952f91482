"""Both stages overfit two clips and generate their tokens."""

import torch

from speechbrain_gogo.lobes.speech.cached_decoding import Sampler
from speechbrain_gogo.lobes.speech.generation import (
    DetailGenerator,
    generate_backbone,
)
from speechbrain_gogo.lobes.speech.llama import speech_llama
from speechbrain_gogo.lobes.speech.stage1 import BackboneLM
from speechbrain_gogo.lobes.speech.stage2 import DetailLM

TEXT, CODES = 20, 40


def overfit(lm, inputs, steps=120):
    lm.train()
    optimizer = torch.optim.AdamW(lm.parameters(), lr=5e-3)
    for _ in range(steps):
        loss = lm(*inputs)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1
    return lm.eval()


def test_overfitted_clips_are_generated():
    torch.manual_seed(0)
    text, lens = torch.randint(TEXT, (2, 6)), torch.tensor([1.0, 0.6])
    tokens = torch.randint(CODES, (2, 5, 10))
    llama1 = speech_llama(TEXT + CODES + 2, 32, 2, 2, 64)
    llama2 = speech_llama(CODES + 2, 32, 2, 2, 64)
    stage1 = overfit(
        BackboneLM(llama1, TEXT, CODES), (text, torch.ones(2), tokens, lens)
    )
    stage2 = DetailLM(llama2, codebook_size=CODES, full_share=1.0)
    stage2 = overfit(stage2, (tokens, lens))

    # The first group is the prompt; each stage draws the likeliest tokens.
    prompt, ones, seeds = tokens[:, :1], torch.ones(2), [0, 0]
    greedy = {"temperature": 0, "repetition_penalty": 1.0}
    details = DetailGenerator(stage2, prompt, ones, Sampler(seeds, **greedy))
    spoken = [prompt[:, 0]]
    items = generate_backbone(
        stage1, text, ones, prompt, ones, Sampler(seeds, **greedy)
    )
    for item in items:
        spoken.append(details.complete(item[0], torch.tensor([10, 10])))
    spoken = torch.stack(spoken, dim=1)
    assert item[1].all()  # finished
    assert torch.equal(spoken[0, :5], tokens[0])
    assert torch.equal(spoken[1, :3], tokens[1, :3])
    assert (spoken[0, 5:] == CODES).all() and (spoken[1, 3:] == CODES).all()

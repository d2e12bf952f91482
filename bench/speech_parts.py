"""GogoSpeech's parts with random weights, ready to be timed.

Speed does not depend on the weights, but random ones never end in time: how
many groups are spoken is given. What is measured is in speech.py.
"""

import torch
from bench_systems import Gogo, noise
from hyperpyyaml import load_hyperpyyaml

from speechbrain_gogo.lobes.lm_decoding import Reader, Sampler
from speechbrain_gogo.lobes.speech_generation import (
    DetailFiller,
    speak_backbone,
)

# The paper's prompts are sentences of a few seconds; a Llama takes about one
# token for four characters.
PROMPT_SECONDS = 3.0
TEXT_TOKENS = 24  # of prompt and sentence


class Parts:
    """Both stages and the codec, for so many utterances at a time.

    Arguments
    ---------
    stages : tuple of BackboneLM and DetailLM
        On their device, in their precision, in evaluation mode.
    codec : GogoCodec
        On the same device.
    sampling : dict
        Settings of a Sampler.
    batch : int
        Utterances.
    groups : int
        Groups that each speaks.
    compiled : bool
        Compile the stages' steps.
    """

    def __init__(self, stages, codec, sampling, batch, groups, compiled):
        self.stage1, self.stage2 = stages
        self.codec, self.sampling = codec, sampling
        self.batch, self.groups = batch, groups
        device = codec.codec.places.device
        self.audio = noise(PROMPT_SECONDS, codec.sample_rate)
        self.audio = self.audio.expand(batch, -1).to(device)
        size = batch, TEXT_TOKENS
        self.text = torch.randint(self.stage1.offset, size, device=device)
        self.ones = torch.ones(batch, device=device)
        self.prompt, _ = codec.encode_batch(self.audio)
        readers = []
        for lm in stages:
            form = lm.llama, lm.rows, batch, lm.max_positions
            readers.append(Reader(*form, compiled=compiled))
        self.reader1, self.reader2 = readers

    def sampler(self, stage):
        """Draws of a stage."""
        seeds = range(stage, stage + 2 * self.batch, 2)
        return Sampler(list(seeds), **self.sampling)

    def encode(self):
        """Tokens of the prompt."""
        return self.codec.encode_batch(self.audio)

    def backbones(self):
        """Stage I, group by group."""
        return speak_backbone(
            self.stage1,
            self.text,
            self.ones,
            self.prompt,
            self.ones,
            self.sampler(0),
            self.groups,
            # Random weights may well repeat themselves.
            loop_groups=self.groups + 1,
            reader=self.reader1,
        )

    def filler(self):
        """Stage II."""
        return DetailFiller(
            self.stage2,
            self.prompt,
            self.ones,
            self.sampler(1),
            self.groups,
            self.reader2,
        )

    def speak(self):
        """Stage I alone: the backbone."""
        return [group for group, _ in self.backbones()]

    def fill(self, backbone, budgets):
        """Stage II alone: the tokens [B, N, K]."""
        filler = self.filler()
        groups = [filler.fill(*given) for given in zip(backbone, budgets)]
        return torch.stack(groups, dim=1)

    def decode(self, tokens):
        """Tokens to audio."""
        return self.codec.decode_batch(tokens)

    def utterance(self, budgets):
        """Everything, from the prompt's audio to the end of the speech."""
        self.prompt, _ = self.encode()
        filler = self.filler()
        groups = [
            filler.fill(group, budget)
            for budget, (group, _) in zip(budgets, self.backbones())
        ]
        return self.decode(torch.stack(groups, dim=1))


def load_stages(yaml, overrides, device, dtype):
    """Both stages of a YAML and their sampling, with random weights."""
    with open(yaml) as stream, torch.device(device):
        hparams = load_hyperpyyaml(
            stream, overrides, overrides_must_match=False
        )
    stages = [hparams[name].to(dtype).eval() for name in ("stage1", "stage2")]
    return stages, hparams["sampling"]


def load_codec(yaml, folder, device):
    """The codec of a YAML, as :class:`bench_systems.Gogo` loads it."""
    Gogo.prepare(folder, yaml)
    return Gogo(folder, device).codec


def bytes_per_token(lm):
    """Bytes of weights that one pass must read: blocks and output rows."""
    weights = [*lm.llama.model.layers.parameters()]
    weights.append(lm.llama.lm_head.weight[lm.rows])
    return sum(weight.numel() * weight.element_size() for weight in weights)


def bandwidth(device, meter, size, repeats=10):
    """Bytes per second at which a device reads memory, the best of a few."""
    block = torch.zeros(size // 4, device=device)
    best = float("inf")
    for _ in range(repeats):
        start = meter.now()
        block.sum()
        best = min(best, meter.now() - start)
    return size / best

"""GogoSpeech with random weights, whole and in parts, for timing.

Speed does not depend on the weights. Random ones never generate the end token, so
the length is fixed, and the allocator is biased to the paper's average number of
tokens. The measurements are in speech.py.
"""

import math
import multiprocessing
import tempfile
from pathlib import Path

import torch
from hyperpyyaml import load_hyperpyyaml
from speechbrain.utils.autocast import AMPConfig

from parts.bench_systems import Gogo, noise
from speechbrain_gogo.inference import GogoCodec, GogoSpeech
from speechbrain_gogo.inference.loading.export_speech import (
    FOLDERS,
    export_speech_stage,
)
from speechbrain_gogo.inference.loading.speech import load_stages
from speechbrain_gogo.lobes.allocator.policy import TokenAllocator
from speechbrain_gogo.lobes.speech.cached_decoding import Sampler
from speechbrain_gogo.lobes.speech.generation import (
    DetailGenerator,
    generate_backbone,
)
from speechbrain_gogo.metrics.timing import SENTENCE

GROUPS = 15  # 3.2 s, as long as SENTENCE should take
PROMPT_TEXT = "A few seconds of the voice that is to speak."
PROMPT_SECONDS = 3.0
# The allocator's tokens per group: 36 a second in the paper.
ALLOCATED = 36 * 10 / 46.875
# Llama-3.2-1B-Instruct without its weights.
LLAMA = Path(__file__).resolve().parents[1] / "llama-3.2-1b"


class Letters:
    """A tokenizer with one id per four characters, about as many as Llama's."""

    def encode(self, text):
        """Text to ids."""
        return [ord(letter) for letter in text[::4]]


def random_speech(
    speech_yaml, gogo_yaml, device, precision, compiled, weights="float"
):
    """A GogoSpeech with random weights, of the YAMLs of stages and codec.

    The precision is SpeechBrain's: "fp32", "bf16" or "fp16"; weights are
    "float", or "int8" for matrices of the stages and the flow in 8 bits.
    ``compiled`` compiles the stages' steps, where there is a GPU.
    """
    run_opts = {"device": device, "precision": precision}
    dtype = AMPConfig.from_name(precision).dtype
    with tempfile.TemporaryDirectory() as folder:
        in_new_process(Gogo.prepare, Path(folder), gogo_yaml)
        codec = GogoCodec.from_hparams(
            Path(folder) / "gogo", run_opts=run_opts, weights=weights
        )
        add_allocator(codec)
        if weights == "int8":
            in_new_process(write_stages, folder, speech_yaml)
            stages = load_stages(folder, codec, int8=True)
            hparams = read_random(speech_yaml, without=FOLDERS)
        else:
            with torch.device(device):
                hparams = read_random(speech_yaml)
            stages = {name: hparams[name].to(dtype) for name in FOLDERS}
    settings = {
        "sampling": hparams["sampling"],
        "first_window_groups": 6,
        "overlap_groups": 1,
        "max_characters": 200,
        # Number of groups at which a sentence is cut off.
        "groups_per_character": (GROUPS - 0.5) / (len(SENTENCE) + 10),
        "slowest": 1.0,
        "loop_groups": GROUPS + 1,
        "batch_size": 8,
        "compiled": compiled,
        "weights": weights,
    }
    return GogoSpeech(stages, settings, run_opts, codec, Letters())


def in_new_process(function, *arguments):
    """Call a function whose memory is not to count as this process's."""
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=function, args=arguments)
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError(f"{function.__name__} failed, see above.")


def read_random(speech_yaml, without=()):
    """The YAML of two stages with random weights, ``without`` some of them."""
    random = {"llama": str(LLAMA), "pretrained": False}
    for name in without:
        random |= {name: None, name.replace("stage", "llama"): None}
    with open(speech_yaml) as stream:
        return load_hyperpyyaml(stream, random, overrides_must_match=False)


def write_stages(folder, speech_yaml):
    """Write two stages with random weights in half precision, one by one."""
    torch.manual_seed(0)
    for name, other in zip(FOLDERS, FOLDERS[::-1]):
        lm = read_random(speech_yaml, without=[other])[name]
        export_speech_stage(Path(folder) / name, lm.half())
        del lm


@torch.no_grad()
def add_allocator(codec):
    """Give a codec an allocator whose budgets differ from group to group."""
    allocator = TokenAllocator(codec.codec.quantizer.dim)
    torch.nn.init.normal_(allocator.classifier.weight)
    codec.mods["allocator"] = allocator.to(codec.codec.places.device).eval()
    backbones = torch.randint(codec.vocab_size, (1, 1000, codec.backbone_size))
    logits = codec._logits(backbones.to(codec.codec.places.device))
    real = torch.ones_like(logits[..., 0])
    bias = allocator.solve_bias(logits, real, ALLOCATED)
    choices = torch.arange(logits.shape[-1], device=logits.device)
    allocator.classifier.bias.copy_(bias * choices)


class Trial:
    """A batch of equal requests, and the parts of their synthesis."""

    def __init__(self, speech, batch, allocate):
        self.speech, self.codec = speech, speech.codec
        self.allocate = allocate
        self.audio = noise(PROMPT_SECONDS, speech.sample_rate)
        self.requests = [(SENTENCE, self.audio, PROMPT_TEXT)] * batch
        said = self.answer()
        self.seconds = sum(len(each.wav) for each in said) / speech.sample_rate
        groups = min(len(each.tokens) for each in said)  # usually GROUPS
        tokens = [each.tokens[:groups] for each in said]
        budgets = [each.budgets[:groups] for each in said]
        self.tokens = torch.stack(tokens)  # [B, N, K]
        self.budgets = torch.stack(budgets)  # [B, N]
        guided = speech.hparams.sampling.get("text_guidance")
        rows = 2 * batch if guided else batch  # of Stage I
        decoders = speech.generator.idle_decoders
        self.decoders = [
            decoders.get((stage, batch), decoders.get((stage, None)))
            for stage, batch in enumerate((rows, batch))
        ]
        device = self.tokens.device
        self.ones = torch.ones(batch, device=device)
        ids = speech.tokenizer.encode(f"{PROMPT_TEXT} {SENTENCE}")
        self.text = torch.tensor([ids] * batch, device=device)
        self.prompt = self.codec.encode_batch(self.audio)[0]
        self.prompt = self.prompt.expand(batch, -1, -1).to(device)

    def answer(self):
        """All parts, from the prompts' audio to the end of the speech."""
        if len(self.requests) == 1:
            return [self.speech.clone_voice(*self.requests[0], self.allocate)]
        return self.speech.clone_voice_batch(self.requests, self.allocate)

    def first(self):
        """The first chunk of audio."""
        stream = self.speech.stream_voice(*self.requests[0], self.allocate)
        return next(stream)

    def sampler(self, stage):
        """The sampler of a stage."""
        seeds = range(stage, stage + 2 * len(self.requests), 2)
        return Sampler(seeds, **self.speech.hparams.sampling)

    def stage1(self):
        """Stage I alone."""
        return list(
            generate_backbone(
                self.speech.mods.stage1,
                self.text,
                self.ones,
                self.prompt,
                self.ones,
                self.sampler(0),
                GROUPS,
                GROUPS + 1,
                self.decoders[0],
            )
        )

    def stage2(self):
        """Stage II alone."""
        details = DetailGenerator(
            self.speech.mods.stage2,
            self.prompt,
            self.ones,
            self.sampler(1),
            GROUPS,
            self.decoders[1],
        )
        backbones = self.tokens[..., : self.codec.backbone_size]
        for backbone, budgets in zip(backbones.unbind(1), self.budgets.T):
            details.complete(backbone, budgets)

    def encode(self):
        """Encoding of the prompts alone."""
        return [self.codec.encode_batch(self.audio) for _ in self.requests]

    def decode(self):
        """Decoding of the tokens alone."""
        return self.codec.decode_batch(self.tokens)


def bytes_per_token(lm, kind="float"):
    """Bytes of weights that one pass must read: blocks and output rows."""
    config = lm.llama.config
    heads = config.num_attention_heads + config.num_key_value_heads
    block = 2 * heads * config.head_dim + 3 * config.intermediate_size + 2
    rows = lm.output_slice.stop - lm.output_slice.start
    rows += config.num_hidden_layers * block
    size = 1 if kind == "int8" else next(lm.parameters()).element_size()
    return rows * config.hidden_size * size


def bandwidth(device, meter, size, repeats=10):
    """Bytes per second at which a device reads memory, the best of a few."""
    block = torch.zeros(size // 4, device=device)
    best = math.inf
    for _ in range(repeats):
        start = meter.now()
        block.sum()
        best = min(best, meter.now() - start)
    return size / best

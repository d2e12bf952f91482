"""Networks of small sizes with random weights, to export."""

import pytest
import torch

from speechbrain_gogo.inference.exporting.codec import (
    codec_networks,
    vocoder_network,
)
from speechbrain_gogo.inference.exporting.siblings import sibling_networks
from speechbrain_gogo.inference.exporting.stages import (
    stage_networks,
)
from speechbrain_gogo.lobes.adversarial_codec.causal import (
    CausalDecoder,
    CausalEncoder,
)
from speechbrain_gogo.lobes.adversarial_codec.global_encoder import (
    GlobalEncoder,
)
from speechbrain_gogo.lobes.adversarial_codec.ordered_quantizer import (
    OrderedProductQuantizer,
)
from speechbrain_gogo.lobes.cofi.blocks import ScaleDecoder, ScaleEncoder
from speechbrain_gogo.lobes.cofi.codec import CoFiCodecNetwork
from speechbrain_gogo.lobes.cofi.quantizers import ScaleQuantizers
from speechbrain_gogo.lobes.gogo.codec import Gogo
from speechbrain_gogo.lobes.gogo.convolutional_decoder import (
    ConvolutionalDecoder,
)
from speechbrain_gogo.lobes.gogo.dit import DiT
from speechbrain_gogo.lobes.gogo.encoder import GroupEncoder, GroupMLPEncoder
from speechbrain_gogo.lobes.gogo.flow import (
    ConditionalFlowMatching,
    MelRegression,
    ResidualFlow,
)
from speechbrain_gogo.lobes.gogo.flow.few_step_flow import FewStepFlow, StepDiT
from speechbrain_gogo.lobes.gogo.mel import VocosMel
from speechbrain_gogo.lobes.gogo.quantizer import FSQ
from speechbrain_gogo.lobes.nn.log_mel import MagnitudeMel
from speechbrain_gogo.lobes.socodec.codec import SoCodecNetwork
from speechbrain_gogo.lobes.speech.aligned.stage1 import AlignedBackboneLM
from speechbrain_gogo.lobes.speech.group_stage1 import GroupBackboneLM
from speechbrain_gogo.lobes.speech.group_stage2 import GroupDetailLM
from speechbrain_gogo.lobes.speech.llama import speech_llama
from speechbrain_gogo.lobes.speech.stage1 import BackboneLM
from speechbrain_gogo.lobes.vocoder.vocoders import VocosVocoder

pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")
LEVELS = [4, 3]


def random_weights(module):
    """All weights matter: none is zero at the start."""
    for weight in module.parameters():
        if not weight.any():
            torch.nn.init.normal_(weight, std=0.2)
    return module.eval()


def flow_codec():
    """The paper's path: groups and queries, FSQ, a flow over a DiT."""
    encoder = GroupEncoder(100, 20, 10, 16, 1, 2, 32, stem_layers=1)
    dit = DiT(100, 16, dim=32, num_layers=1, num_heads=2)
    flow = ConditionalFlowMatching(dit)
    return Gogo(VocosMel(), encoder, FSQ(LEVELS, 16), flow)


def few_step_codec():
    """A student of codec_distill: the pass also reads the step's length."""
    encoder = GroupEncoder(100, 20, 10, 16, 1, 2, 32, stem_layers=1)
    sizes = {"n_mels": 100, "cond_dim": 16, "dim": 32, "num_heads": 2}
    flow = FewStepFlow(StepDiT(num_layers=1, **sizes), num_steps=4)
    return Gogo(VocosMel(), encoder, FSQ(LEVELS, 16), flow)


def residual_codec():
    """A flow that starts at a regression."""
    codec = small_codec()
    dit = DiT(100, 100, dim=32, num_layers=1, num_heads=2)
    codec.flow = ResidualFlow(dit, codec.flow.backbone, scale=0.4, num_steps=4)
    return codec


def small_codec():
    """The classes of gogo-mini."""
    encoder = GroupMLPEncoder(100, 20, 10, 6, 8, 16, 32, 1)
    decoder = ConvolutionalDecoder(
        *(100, 20, 10, 6, 8, 16, 32, 1), 4, 8, 16, [1]
    )
    flow, mel = MelRegression(decoder), VocosMel()
    return Gogo(mel, encoder, FSQ(LEVELS, 6), flow, mel_power=0.15)


def stage1():
    """Token by token; heads share keys."""
    llama = speech_llama(10 + 12 + 2, 16, 1, 4, 32, num_key_value_heads=2)
    return BackboneLM(llama, 10, 12, max_positions=64)


def aligned():
    """Group by group, aligned with the text."""
    sizes = {"dim": 16, "num_layers": 1, "num_heads": 2, "ffn_dim": 32}
    sizes |= {"depth_layers": 1, "depth_ffn_dim": 32, "backbone_size": 10}
    return AlignedBackboneLM(
        9, LEVELS, text_layers=1, aligner_dim=8, aligner_layers=1, **sizes
    )


def group_stages():
    """Stage I and II with one position per group."""
    sizes = {"dim": 16, "num_layers": 1, "num_heads": 2, "ffn_dim": 32}
    sizes |= {"depth_layers": 1, "depth_ffn_dim": 32}
    return GroupBackboneLM(9, LEVELS, **sizes), GroupDetailLM(LEVELS, **sizes)


def group_stage_files():
    return [
        network
        for name, stage in zip(("one", "two"), group_stages())
        for network in stage_networks(name, random_weights(stage))
    ]


def cofi():
    blocks = {"strides": [2, 2, 3], "num_units": [2, 1, 1]}
    codec = CoFiCodecNetwork(
        MagnitudeMel(),
        ScaleEncoder(80, 16, **blocks),
        ScaleQuantizers(16, [1, 1, 4], [1, 1, 2], 64, stream_dim=16),
        GlobalEncoder(dim=16, channels=16),
        ScaleDecoder(80, 16, **blocks),
    )
    for quantizer in codec.quantizers:
        quantizer.codebooks.embed.normal_()
    return codec


def socodec(quantizer=OrderedProductQuantizer):
    codec = SoCodecNetwork(
        torch.nn.Identity(),
        MagnitudeMel(),
        CausalEncoder(12, 16, 16, [2, 3], groups=4),
        quantizer(16, 4, codebook_size=8),
        GlobalEncoder(dim=16, channels=16),
        CausalDecoder(16, 16, 12, [3, 2], groups=4),
        CausalDecoder(16, 16, 80, [2], groups=4),
        group_samples=1920,
    )
    if not codec.quantizer.residual:
        codec.quantizer.codebooks.embed.normal_()
    return codec


def sibling_files(make):
    return sibling_networks(random_weights(make()))


def codec_files(make):
    return codec_networks(random_weights(make()), None)


def vocoder_files():
    sizes = {"dim": 16, "intermediate_dim": 32, "num_layers": 1}
    return [vocoder_network(random_weights(VocosVocoder(**sizes)))]


# By test: what makes the networks, and which of them is written. An export takes
# seconds, of the smallest network too.

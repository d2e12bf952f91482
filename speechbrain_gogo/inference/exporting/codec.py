"""The networks of a Gogo codec, as files of their own.

Letters of shapes: B batch, N groups, T frames, W samples.
"""

import torch

from speechbrain_gogo.inference.exporting.network import (
    Function,
    Network,
    Tensor,
)
from speechbrain_gogo.lobes.gogo.codec import Gogo
from speechbrain_gogo.lobes.gogo.encoder.group_encoder import IndependentGroups
from speechbrain_gogo.lobes.gogo.flow.few_step_flow import FewStepFlow
from speechbrain_gogo.lobes.gogo.flow.mel_regression import MelRegression
from speechbrain_gogo.lobes.gogo.flow.residual_flow import ResidualFlow
from speechbrain_gogo.lobes.vocoder.convolutions import (
    ConvolutionalMel,
    ConvolutionalVocos,
)
from speechbrain_gogo.lobes.vocoder.vocoders import VocosVocoder

# Log-mel frames as speech has them, roughly.
LOG_MEL = {"mean": -1.0, "std": 2.0}
# Attributes of every codec that a user of the files needs.
SIZES = (
    *("sample_rate", "group_size", "group_samples"),
    *("num_codebooks", "vocab_size", "mask_id"),
)


def token_matrix(codec):
    """Tokens as an input of the decoder of any codec."""
    return Tensor(
        ("B", "N", codec.num_codebooks),
        f"Tokens; {codec.mask_id} where one is not used.",
        below=codec.mask_id + 1,
    )


def encode(codec, log_mel):
    """log_mel [N, g, d] -> tokens int64 [N, K] (Eq. 1)."""
    features = codec.encoder(codec.normalize(log_mel))
    return codec.quantizer(features)[1].long()


def condition_of(codec, tokens):
    """tokens int64 [B, N, K] -> the flow's condition [B, T, D] (Eq. 2)."""
    aligned = codec.align(codec.embed(tokens))
    if isinstance(codec.flow, ResidualFlow):
        return codec.flow.estimate(aligned)
    return aligned


def few_step_pass(net, x, condition, time, step):
    """x [B, T, d], condition [B, T, D], time and step [B] -> [B, T, d]."""
    modulation = net.modulation(time, step)
    return net.velocity(x, net.condition(condition), modulation)


def codec_networks(codec, vocoder):
    """The networks of a Gogo codec and, if it is a Vocos, of its vocoder.

    The baselines of the paper, with an encoder over whole utterances or a
    residual quantizer, are refused with a ValueError. Returns a list of
    Network.
    """
    if not isinstance(codec.encoder, IndependentGroups):
        raise ValueError(
            "A codec whose encoder reads whole utterances cannot be exported: "
            "ONNX files are for encoders of single groups."
        )
    if codec.quantizer.residual:
        raise ValueError(
            "A codec with a residual quantizer cannot be exported: ONNX files "
            "are for FSQ."
        )
    found = [*encoder_networks(codec), *decoder_networks(codec)]
    if isinstance(vocoder, VocosVocoder):
        found.append(vocoder_network(vocoder))
    return found


def encoder_networks(codec):
    """Waveform to log-mel, and log-mel to tokens."""
    mel, size = codec.mel, codec.group_size
    frames = Tensor(
        ("B", "T", mel.n_mels), f"Log-mel, T = (W - {mel.n_fft}) / hop + 1."
    )
    wavs = Tensor(
        ("B", "W"),
        f"Audio in [-1, 1], with {mel.margin} zeros before it, and after it "
        f"at least {mel.margin - mel.hop_length} and up to whole groups.",
        std=0.1,
    )
    shape = "N", size, mel.n_mels
    tokens = Tensor(("N", codec.num_codebooks), "Coarse to fine.", below=1)
    yield Network(
        "mel",
        "Waveform to log-mel; STFT as a convolution.",
        ConvolutionalMel(mel),
        {"wavs": wavs},
        {"log_mel": frames},
        mel.frames,
    )
    yield Network(
        "encoder",
        f"Log-mel of groups of {size} frames to tokens.",
        Function(encode, codec),
        {"log_mel": Tensor(shape, "Log-mel of N groups.", **LOG_MEL)},
        {"tokens": tokens},
        lambda log_mel: quantize(codec, log_mel),
    )


def quantize(codec, log_mel):
    """The codec's own tokens of log-mel [N, g, d]: int64 [N, K]."""
    real = torch.ones(1, len(log_mel), dtype=torch.bool)
    return codec.quantize(codec.normalize(log_mel)[None], real)[1]


def decoder_networks(codec):
    """Tokens to log-mel: one network, or a flow's condition and its pass."""
    flow, n_mels = codec.flow, codec.mel.n_mels
    tokens = token_matrix(codec)
    mel = Tensor(
        ("B", "T", n_mels), f"Log-mel, T = {codec.group_size} N frames."
    )
    if isinstance(flow, MelRegression):
        yield Network(
            "decoder",
            "Tokens to log-mel, in one pass.",
            Function(Gogo.decode_mel, codec),
            {"tokens": tokens},
            {"log_mel": mel},
        )
        return
    condition = Tensor(
        ("B", "T", flow.backbone.cond_dim),
        "Of the tokens; zeros are no condition.",
    )
    yield Network(
        "condition",
        "Tokens to the condition of the decoder's passes.",
        Function(condition_of, codec),
        {"tokens": tokens},
        {"condition": condition},
    )
    x = Tensor(("B", "T", n_mels), "Noise at time 0, normalized mel at 1.")
    inputs = {
        "x": x,
        "condition": condition,
        "time": Tensor(("B",), "In [0, 1].", mean=0.5, std=0.1),
    }
    net = flow.backbone
    if isinstance(flow, FewStepFlow):
        net = Function(few_step_pass, net)
        about = "Length of the step, next time - time."
        inputs["step"] = Tensor(("B",), about, mean=0.5, std=0.1)
    yield Network(
        "decoder",
        "One pass of the flow; `flow` lists the passes.",
        net,
        inputs,
        {"prediction": x._replace(about=f"The {flow.predict}.")},
    )


def vocoder_network(vocoder):
    """Log-mel to waveform."""
    mel = Tensor(("B", "T", vocoder.n_mels), "Log-mel.", **LOG_MEL)
    wavs = Tensor(("B", "W"), f"Audio, W = {vocoder.hop_length} T samples.")
    return Network(
        "vocoder",
        "Log-mel to waveform; inverse STFT as a transposed convolution.",
        ConvolutionalVocos(vocoder),
        {"log_mel": mel},
        {"wavs": wavs},
        vocoder,
    )


def describe_codec(codec):
    """Settings of a Gogo codec that a user of the files needs, a dict for JSON."""
    mel, flow = codec.mel, codec.flow
    found = {
        **{name: getattr(codec, name) for name in SIZES},
        "backbone_size": codec.backbone_size,
        "mel": {
            "n_fft": mel.n_fft,
            "hop_length": mel.hop_length,
            "n_mels": mel.n_mels,
            "scale": "natural logarithm of magnitudes, HTK filters, Hann window",
            "least_magnitude": mel.clip,
            "zeros_before": mel.margin,
        },
    }
    if isinstance(flow, MelRegression):
        return found
    times = flow.schedule(flow.num_steps, "cpu")
    return {
        **found,
        "normalization": {
            "about": "log_mel = x * std + mean; with a power p instead "
            "log(max(x * std + mean, exp(p * floor))) / p",
            "mean": codec.mel_mean,
            "std": codec.mel_std,
            "floor": codec.mel_floor,
            "power": codec.mel_power,
        },
        "flow": {
            "about": "Start from x = temperature * normal noise. At each of the "
            "times but the last, v = prediction (or (prediction - x) / (1 - "
            "time) if data are predicted), with guidance w from a second pass "
            "on a condition of zeros: v + w (v - v_null). Then the solver's "
            "step, of Euler x + v * (next time - time). If there is a "
            "residual_scale, the mel is condition + residual_scale * x.",
            "predicts": flow.predict,
            "times": times.tolist(),
            "solver": flow.solver,
            "guidance_scale": flow.guidance_scale,
            "guidance_interval": list(flow.guidance_interval),
            "temperature": flow.temperature,
            "residual_scale": getattr(flow, "scale", None),
        },
    }

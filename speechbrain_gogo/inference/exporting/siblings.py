"""The networks of SoCodec and CoFi-Codec, as files of their own.

Letters of shapes: B batch, N groups, T mel frames, W samples, g frames of a group,
d mel bins, D width of a voice's embedding, K or S tokens of a group, F features of
a group, D' their width. Embeddings of voices are computed clip by clip.
"""

from speechbrain_gogo.inference.exporting.codec import SIZES, token_matrix
from speechbrain_gogo.inference.exporting.network import (
    Function,
    Network,
    Tensor,
)
from speechbrain_gogo.lobes.cofi.codec import CoFiCodecNetwork
from speechbrain_gogo.lobes.vocoder.convolutions import (
    ConvolutionalMagnitudeMel,
)

# Log-mel of magnitudes as speech has them, roughly.
LOG_MEL = {"mean": -4.0, "std": 2.0}


def embed_voice(codec, log_mel):
    """log_mel of a clip [1, N, g, d] -> its embedding [1, D]."""
    return codec.global_encoder(log_mel.flatten(1, 2))


def tokenize(codec, frames, *embedding):
    """frames [B, N, F, D'] and, for CoFi-Codec, [B, D] -> int64 [B, N, K]."""
    return codec.tokenize(frames.flatten(1, 2), *embedding)


def sibling_networks(codec):
    """The networks of a SoCodec or CoFi-Codec, without its vocoder: a list.

    A residual quantizer is refused with a ValueError.
    """
    cofi = isinstance(codec, CoFiCodecNetwork)
    if not cofi and codec.quantizer.residual:
        raise ValueError(
            "A SoCodec with a residual quantizer cannot be exported: ONNX files "
            "are for (ordered) product quantizers."
        )
    mel, groups = codec.mel, ("N", codec.group_size, codec.mel.n_mels)
    embedding = Tensor(("B", codec.global_encoder.dim), "Of the voice.")
    clip = Tensor(
        (1, *groups), "Log-mel of a clip, in groups of frames.", **LOG_MEL
    )
    frames = Tensor(("B", "T", mel.n_mels), "Log-mel.")
    wavs = Tensor(("B", "W"), "Audio in [-1, 1] of whole groups.", std=0.1)
    return [
        Network(
            "mel",
            "Waveform to log-mel; STFT as a convolution.",
            ConvolutionalMagnitudeMel(mel),
            {"wavs": wavs},
            {"log_mel": frames},
            mel,
        ),
        Network(
            "voice",
            "Log-mel of a clip to the embedding of its voice.",
            Function(embed_voice, codec),
            {"log_mel": clip},
            {"embedding": embedding._replace(shape=(1, embedding.shape[1]))},
        ),
        encoder_network(codec),
        Network(
            "decoder",
            "Tokens and the embedding of a voice to log-mel.",
            Function(type(codec).decode_mel, codec),
            {"tokens": token_matrix(codec), "embedding": embedding},
            {"log_mel": frames},
        ),
    ]


def encoder_network(codec):
    """Log-mel and the embedding of a voice, or features, to tokens."""
    if isinstance(codec, CoFiCodecNetwork):
        use = "Log-mel and the embedding of a voice to tokens."
        groups = "B", "N", codec.group_size, codec.mel.n_mels
        inputs = {
            "log_mel": Tensor(groups, "In groups of frames.", **LOG_MEL),
            "embedding": Tensor(("B", codec.global_encoder.dim), "From voice."),
        }
    else:
        use = "Features of the self-supervised network, which has no file, to tokens."
        width = codec.encoder.conv_in.in_channels
        frames = int(codec.encoder.reach[1])  # of a group
        shape = "B", "N", frames, width
        inputs = {"features": Tensor(shape, "In groups of frames.")}
    shape = "B", "N", codec.num_codebooks
    tokens = Tensor(shape, "Coarse to fine.", below=1)
    function = Function(tokenize, codec)
    return Network("encoder", use, function, inputs, {"tokens": tokens})


def describe_sibling(codec):
    """Settings of a SoCodec or CoFi-Codec that a user of the files needs."""
    mel = codec.mel
    found = {
        **{name: getattr(codec, name) for name in SIZES},
        "mean_embedding": codec.mean_embedding.tolist(),
        "mel": {
            "n_fft": mel.n_fft,
            "win_length": mel.window.numel(),
            "hop_length": mel.hop_length,
            "n_mels": mel.n_mels,
            "scale": "natural logarithm of magnitudes, Slaney filters, Hann window",
            "least_magnitude": mel.floor,
        },
        "vocoder": "Not exported.",
    }
    if isinstance(codec, CoFiCodecNetwork):
        scales = [
            {"name": x.name, "steps": x.steps, "streams": x.streams}
            for x in codec.levels
        ]
        return {**found, "scales": scales}
    return {**found, "features": [str(each) for each in codec.ssl.signature]}

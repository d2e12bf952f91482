"""A CoFi-Codec of the smallest useful size."""

import torch
from hyperpyyaml import load_hyperpyyaml

from speechbrain_gogo import HPARAMS


def build_tiny_cofi(path):
    """The objects of a tiny CoFi-Codec, whose YAML is written to a path."""
    path.write_text(f"""
model: !include:{HPARAMS}/cofi.yaml
    dim: 32
    num_units: [2, 1, 1]
    vocab_size: 64
    codebooks: [1, 1, 2]
    stream_dim: 16
    rare_uses: 0.1
    global_encoder: {{channels: 16}}
    discriminator: {{channels: 4}}
vocoder: !new:speechbrain_gogo.lobes.vocoder.bigvgan.BigVGAN
    channels: 32
""")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        with open(path) as stream:
            hparams = load_hyperpyyaml(stream)
        for quantizer in hparams["model"]["quantizers"]:
            quantizer.codebooks.embed.normal_()
            quantizer.project_in.weight.data.mul_(3)
    return hparams

"""Tiny SoCodec and CoFi-Codec, with language models."""

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml
from tiny_cofi import build_tiny_cofi


@pytest.fixture(scope="session")
def tiny_socodec_folder(tiny_hubert_folder, tmp_path_factory):
    """A tiny SoCodec as a folder for ``from_hparams``."""
    from speechbrain_gogo import HPARAMS
    from speechbrain_gogo.inference.loading.export import export_codec

    text = f"""
model: !include:{HPARAMS}/socodec.yaml
    dim: 32
    groups: 4
    ssl_dim: 128
    quantizer: {{rare_uses: 0.1}}
    global_encoder: {{channels: 16}}
    discriminator: {{channels: 4}}
    ssl: {{source: {tiny_hubert_folder}, normalize: True, max_seconds: 2.0}}
vocoder: !new:speechbrain_gogo.lobes.vocoder.bigvgan.BigVGAN
    channels: 32
"""
    path = tmp_path_factory.mktemp("tiny_socodec") / "tiny.yaml"
    path.write_text(text)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        with open(path) as stream:
            hparams = load_hyperpyyaml(stream)
        network = hparams["model"]["codec"]
        network.quantizer.codebooks.embed.normal_()
        network.quantizer.project_in.weight.data.mul_(20)
    return export_codec(path.parent, path, network, hparams["vocoder"])


@pytest.fixture(scope="session")
def tiny_cofi_folder(tmp_path_factory):
    """A tiny CoFi-Codec as a folder for ``from_hparams``."""
    from speechbrain_gogo.inference.loading.export import export_codec

    path = tmp_path_factory.mktemp("tiny_cofi") / "tiny.yaml"
    hparams = build_tiny_cofi(path)
    codec = hparams["model"]["codec"]
    return export_codec(path.parent, path, codec, hparams["vocoder"])


@pytest.fixture(scope="session")
def tiny_socodec_speech_folder(
    tiny_socodec_folder, tiny_stages, tmp_path_factory
):
    """The tiny SoCodec with a random language model."""
    import shutil

    from speechbrain_gogo.inference import SoCodec
    from speechbrain_gogo.inference.loading.speech_lm import (
        export_speech_lm,
    )
    from speechbrain_gogo.lobes.socodec.multi_stream_lm import MultiStreamLM

    folder, tokenizer = tmp_path_factory.mktemp("speech"), tiny_stages[2]
    shutil.copytree(tiny_socodec_folder, folder, dirs_exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        lm = MultiStreamLM(
            tokenizer.vocab_size, 16384, 4, 32, 16, 1, 2, dropout=0.0
        )
    lm.speech.heads[0].bias.data[lm.speech.eos] = 6.0
    return export_speech_lm(
        folder,
        lm,
        tokenizer,
        SoCodec.from_hparams(folder),
        language="en",
        sampling={"temperature": 0.8, "top_k": 10},
        max_characters=100,
        groups_per_character=0.6,
        slowest=2.0,
        loop_groups=16,
        batch_size=2,
    )


@pytest.fixture(scope="session")
def tiny_cofi_speech_folder(tiny_cofi_folder, tiny_stages, tmp_path_factory):
    """The tiny CoFi-Codec with a random stack of scales."""
    import shutil

    from speechbrain_gogo.inference import CoFiCodec
    from speechbrain_gogo.inference.loading.speech_lm import export_speech_lm
    from speechbrain_gogo.lobes.cofi.stack_of_scales import StackOfScales

    folder, tokenizer = tmp_path_factory.mktemp("speech"), tiny_stages[2]
    shutil.copytree(tiny_cofi_folder, folder, dirs_exist_ok=True)
    codec = CoFiCodec.from_hparams(folder)
    steps, streams = zip(*((lv.steps, lv.streams) for lv in codec.levels))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        lm = StackOfScales(
            tokenizer.vocab_size,
            codec.vocab_size,
            steps,
            streams,
            len(codec.codec.mean_embedding),
            dim=16,
            num_layers=1,
            num_heads=2,
            text_positions=200,
            group_positions=60,
            dropout=0.0,
        )
    lm.scales[0].heads[0].bias.data[lm.scales[0].eos] = 3.0
    return export_speech_lm(
        folder,
        lm,
        tokenizer,
        codec,
        language="en",
        sampling={"temperature": 1.0, "top_k": 50, "repetition_penalty": 2.0},
        max_characters=100,
        groups_per_character=0.6,
        slowest=2.0,
        loop_groups=16,
        batch_size=2,
    )

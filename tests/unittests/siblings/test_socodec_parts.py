"""The parts of SoCodec against independent calculations."""

import math
from pathlib import Path

import pytest
import torch
from tiny_judges import random_hubert
from torch.nn import functional as F
from transformers import HubertModel

from recipes.common.settings import parse_arguments
from speechbrain_gogo.inference import SoCodec
from speechbrain_gogo.inference.loading.socodec_release import build_hubert
from speechbrain_gogo.lobes.adversarial_codec.ema_codebooks import EMACodebooks
from speechbrain_gogo.lobes.adversarial_codec.global_encoder import (
    GlobalEncoder,
)
from speechbrain_gogo.lobes.adversarial_codec.ordered_quantizer import (
    OrderedProductQuantizer,
    ResidualStreamQuantizer,
)
from speechbrain_gogo.lobes.nn.log_mel import MagnitudeMel
from speechbrain_gogo.lobes.nn.self_supervised import SelfSupervised
from speechbrain_gogo.lobes.vocoder.mel_discriminator import MelDiscriminator

RATE, STEP = 16000, 1920
REPOSITORY = Path(__file__).resolve().parents[3]


def test_features_of_hubert(tiny_hubert_folder):
    """Section 4 of the layout: silence after the clip, then normalisation."""
    features = SelfSupervised(tiny_hubert_folder)
    wav = 0.1 * torch.randn(4 * STEP, generator=torch.manual_seed(3))
    padded = torch.cat([wav, torch.zeros(3200)])
    padded = (padded - padded.mean()) / (padded.var(correction=0) + 1e-5).sqrt()
    mask = torch.zeros(1, len(padded))
    mask[:, : len(wav) + 80] = 1
    network = HubertModel.from_pretrained(tiny_hubert_folder).eval()
    with torch.no_grad():
        found = network(padded[None], attention_mask=mask.long())
    expected = found.last_hidden_state[0, : len(wav) // 320]
    assert torch.allclose(features(wav), expected, atol=1e-5)
    assert features.state_dict() == {} and not list(features.parameters())


def test_features_of_a_network_in_half_precision(tiny_hubert_folder, tmp_path):
    random_hubert().bfloat16().save_pretrained(tmp_path)
    wav = 0.1 * torch.randn(6400, generator=torch.manual_seed(3))
    found = SelfSupervised(tmp_path)(wav)
    expected = SelfSupervised(tiny_hubert_folder)(wav)
    assert found.dtype == torch.float32
    assert (found - expected).norm() < 0.05 * expected.norm()


def test_whisper_reads_the_whole_clip_or_none_of_it(tiny_whisper_folder):
    """Its extractor would cut longer clips to 30 s, without a warning."""
    features = SelfSupervised(tiny_whisper_folder)
    assert features(torch.zeros(6400)).shape == (20, 16)
    with pytest.raises(ValueError, match="at most 30 s"):
        features(torch.zeros(31 * RATE))


def test_a_tail_without_the_last_frame_is_an_error(tiny_hubert_folder):
    with pytest.raises(ValueError, match="give at least 0.005"):
        SelfSupervised(tiny_hubert_folder, tail_seconds=0.0)
    features = SelfSupervised(tiny_hubert_folder, tail_seconds=0.005)
    assert features(torch.zeros(6400)).shape == (20, 128)


def test_a_missing_layer_is_an_error(tiny_hubert_folder, tiny_whisper_folder):
    with pytest.raises(ValueError, match="has 2 layers"):
        SelfSupervised("given", layer=3).use(random_hubert())
    for folder, layers in ((tiny_hubert_folder, 2), (tiny_whisper_folder, 1)):
        SelfSupervised(folder, layer=layers)(torch.zeros(640))
        for layer in (-1, layers + 1):
            with pytest.raises(ValueError, match=f"has {layers} layers"):
                SelfSupervised(folder, layer=layer)(torch.zeros(640))


def test_fairseq_names_of_hubert(tmp_path):
    network = random_hubert(
        conv_bias=True, feat_extract_norm="layer", do_stable_layer_norm=True
    )
    names = {
        ".conv.": ".0.",
        "feature_projection.layer_norm.": "layer_norm.",
        "feature_projection.projection.": "post_extract_proj.",
        "masked_spec_embed": "mask_emb",
        "pos_conv_embed.conv.parametrizations.weight.original0": (
            "pos_conv.0.weight_g"
        ),
        "pos_conv_embed.conv.parametrizations.weight.original1": (
            "pos_conv.0.weight_v"
        ),
        "pos_conv_embed.conv.bias": "pos_conv.0.bias",
        ".attention.": ".self_attn.",
        "feed_forward.intermediate_dense": "fc1",
        "feed_forward.output_dense": "fc2",
    }
    state = {"final_proj.weight": torch.zeros(2, 2)}
    for name, value in network.state_dict().items():
        if name.startswith("feature_extractor") and "layer_norm" in name:
            name = name.replace(".layer_norm.", ".2.1.")
        elif "encoder.layers" in name and ".layer_norm." in name:
            name = name.replace(".layer_norm.", ".self_attn_layer_norm.")
        else:
            for ours, theirs in names.items():
                if ours == ".conv." and "feature_extractor" not in name:
                    continue
                name = name.replace(ours, theirs)
        state[name] = value
    built = build_hubert(state, "here").eval()
    wav = torch.randn(1, 4000)
    with torch.no_grad():
        pair = [net(wav).last_hidden_state for net in (network, built)]
    assert torch.equal(*pair)


def test_log_mel_of_one_frame():
    """Frame 3 of a tone, by the definition of the transform."""
    time = torch.arange(STEP) / RATE
    wav = 0.3 * (2 * math.pi * 440 * time).sin()
    mel = MagnitudeMel()
    padded = F.pad(wav[None], (432, 432), mode="reflect")[0]
    frame = padded[3 * 160 : 3 * 160 + 1024].double()
    place = torch.arange(640).double()
    window = torch.zeros(1024).double()
    window[192:832] = 0.5 - 0.5 * (2 * math.pi * place / 640).cos()
    spectrum = torch.fft.rfft(frame * window)
    magnitude = (spectrum.abs().square() + 1e-9).sqrt().float()
    expected = (magnitude @ mel.filters).clamp(min=1e-5)
    assert torch.allclose(mel(wav[None])[0, 3].exp(), expected, atol=1e-5)


def test_codebooks_are_moving_averages():
    books = EMACodebooks(1, 4, 2, decay=0.9)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 40, 2, generator=generator)
    books(x)
    counts, sums = books.cluster_size.clone(), books.embed_avg.clone()
    codes = books.embed.clone()
    y = torch.randn(1, 30, 2, generator=generator)
    ids = torch.cdist(y, codes).argmin(-1)
    chosen = F.one_hot(ids, 4).float()  # [1, 30, 4]
    _, found = books(y)
    assert torch.equal(found, ids)
    counts = 0.9 * counts + 0.1 * chosen.sum(1)
    sums = 0.9 * sums + 0.1 * chosen.transpose(1, 2) @ y
    total = counts.sum()
    smooth = total * (counts + 1e-5) / (total + 4e-5)
    assert torch.allclose(books.embed, sums / smooth.unsqueeze(-1), atol=1e-5)
    books.eval()
    before = books.embed.clone()
    books(y)
    assert torch.equal(books.embed, before)


@pytest.mark.parametrize(
    "kind", [OrderedProductQuantizer, ResidualStreamQuantizer]
)
def test_streams_are_a_prefix_code(kind):
    torch.manual_seed(0)
    quantizer = kind(16, num_streams=3, codebook_size=8)
    real = torch.ones(4, 50, dtype=torch.bool)
    x = torch.randn(4, 50, 16, requires_grad=True)
    for _ in range(3):
        q, ids, commitment = quantizer(x, real, torch.tensor([3, 2, 1, 3]))
    (q.sum() + commitment).backward()
    assert x.grad.abs().sum() > 0 and ids.shape == (200, 3)
    quantizer.eval()
    ids = quantizer.encode(x)
    q, again, _ = quantizer(x, real)
    assert torch.equal(ids.flatten(0, 1), again)
    assert torch.allclose(q, quantizer.decode(ids), atol=1e-5)
    masked = ids.clone()
    masked[..., 2] = quantizer.vocab_size
    shorter = quantizer.decode(ids[..., :2])
    assert torch.allclose(quantizer.decode(masked), shorter, atol=1e-6)


def test_nested_dropout_is_uniform():
    quantizer = OrderedProductQuantizer(8, num_streams=4, codebook_size=2)
    generator = torch.Generator().manual_seed(0)
    kept = quantizer.draw_kept(8000, generator).bincount(minlength=5)
    assert kept[0] == 0 and (kept[1:] - 2000).abs().max() < 200
    quantizer.ordered = False
    assert (quantizer.draw_kept(10) == 4).all()


def test_clip_and_shuffle_takes_segments(tiny_socodec_folder):
    codec = SoCodec.from_hparams(tiny_socodec_folder)
    encoder = codec.codec.global_encoder
    mel = torch.arange(400.0).expand(2, 400).unsqueeze(-1)  # frame numbers
    generator = torch.Generator().manual_seed(1)
    found = encoder.clip_and_shuffle(mel, torch.tensor([1.0, 0.5]), generator)
    assert found.shape[1] >= 100
    for row, frames in zip(found.squeeze(-1), (400, 200)):
        kept = row.unique().numel()
        assert frames // 4 - 3 <= kept <= 3 * frames // 4
        assert row.max() < frames
        jumps = (row.diff() != 1).nonzero().flatten() + 1
        jumps = jumps[jumps < kept]  # afterwards it repeats
        assert (jumps % (kept // 3) == 0).all()  # equal segments


@pytest.mark.parametrize("frames", [5, 4, 2])
def test_embedding_of_few_frames(frames):
    encoder = GlobalEncoder(4, dim=8, channels=8).eval()
    mel, lens = torch.randn(2, 20, 4), torch.tensor([frames / 20, 1.0])
    found = encoder.encode_each(mel, lens)
    seen = [place % frames for place in range(5)]  # again, if they are fewer
    torch.testing.assert_close(found[:1], encoder(mel[:1, seen]))
    torch.testing.assert_close(
        encoder.encode_each(mel[:, :frames])[0], found[0]
    )


def test_discriminators_see_the_same_windows():
    torch.manual_seed(0)
    judge = MelDiscriminator(channels=4, dropout=0.0).eval()
    mel, lens = torch.randn(2, 90, 80), torch.tensor([1.0, 0.3])
    starts = judge.draw_starts(mel, lens)
    assert (starts[:, 0] + torch.tensor([32, 64, 90]) <= 90).all()
    scores = judge(mel, lens, starts)
    assert scores.shape == (3, 2)
    # An utterance that is shorter than a window has the score that it has alone.
    alone = judge(mel[1:, :27], torch.ones(1), starts[:, 1:])[:, 0]
    torch.testing.assert_close(scores[:, 1], alone)


@pytest.mark.parametrize("corpus", ["LibriTTS", "WenetSpeech4TTS"])
@pytest.mark.parametrize(
    "yaml, rate, streams",
    [
        ("table1/socodec_40", 25, 1),
        ("train", 25 / 3, 4),
        ("table1/socodec_240", 25 / 6, 8),
    ],
)
def test_three_rates_of_the_paper(corpus, yaml, rate, streams):
    path = f"recipes/{corpus}/socodec/hparams/{yaml}.yaml"
    small = "{dim: 32, groups: 4, ssl_dim: 12, global_encoder: {channels: 8}}"
    line = [str(REPOSITORY / path), "--data_folder=.", f"--model={small}"]
    hparams = parse_arguments(line).load()
    codec = hparams["model"]["codec"].eval()
    ssl, mel = torch.randn(1, 48, 12), torch.randn(1, 96, 80)
    tokens, g = codec.encode_features(ssl, mel)
    assert tokens.shape == (1, round(48 / 50 * rate), streams)
    assert codec.decode_mel(tokens, g).shape == mel.shape
    assert codec.group_samples / 16000 == 1 / rate
    assert hparams["valid_keeps"][-1] == streams
    step = torch.randn(1, codec.group_samples)  # 4 mel frames of SoCodec-40
    assert codec.speaker_embedding(step[:, :5]).shape == (1, 32)

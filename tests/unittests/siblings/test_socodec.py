"""SoCodec: its parts against independent calculations, and bad input."""

import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F
from transformers import HubertConfig, HubertModel

from recipes.common.settings import parse_arguments
from speechbrain_gogo.inference import SoCodec
from speechbrain_gogo.inference.loading.socodec_release import build_hubert
from speechbrain_gogo.lobes.adversarial_codec.ema_codebooks import EMACodebooks
from speechbrain_gogo.lobes.adversarial_codec.ordered_quantizer import (
    OrderedProductQuantizer,
    ResidualStreamQuantizer,
)
from speechbrain_gogo.lobes.nn.log_mel import MagnitudeMel
from speechbrain_gogo.lobes.nn.self_supervised import SelfSupervised
from speechbrain_gogo.lobes.vocoder.mel_discriminator import MelDiscriminator

RATE, STEP = 16000, 1920
REPOSITORY = Path(__file__).resolve().parents[3]


def tiny_hubert(**changes):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return HubertModel(
            HubertConfig(
                hidden_size=128,
                num_hidden_layers=2,
                num_attention_heads=2,
                intermediate_size=64,
                conv_dim=[16] * 7,
                feat_extract_norm="layer",
                do_stable_layer_norm=True,
                num_conv_pos_embeddings=8,
                num_conv_pos_embedding_groups=2,
                **changes,
            )
        ).eval()


@pytest.fixture(scope="module")
def codec(tiny_socodec_folder):
    return SoCodec.from_hparams(tiny_socodec_folder)


@pytest.fixture(scope="module")
def wavs():
    generator = torch.Generator().manual_seed(3)
    return 0.1 * torch.randn(2, 5 * RATE + 77, generator=generator)


# The interface


def test_contract(codec):
    assert codec.sample_rate == 16000 and codec.vocab_size == 16384
    assert codec.mask_id == 16384 and codec.num_codebooks == 4
    assert codec.group_samples == 1920
    assert codec.group_rate == pytest.approx(25 / 3)
    assert codec.token_rate == pytest.approx(100 / 3)


def test_batch_and_stream_equal_single(codec, wavs):
    lengths = [wavs.shape[1], 2 * RATE + 5]
    lens = torch.tensor(lengths) / wavs.shape[1]
    tokens, token_lens = codec.encode_batch(wavs, lens)
    embeddings = codec.speaker_embedding(wavs, lens)
    audio, audio_lens = codec.decode_batch(
        tokens, token_lens, embedding=embeddings, num_samples=lengths
    )
    assert (audio_lens * audio.shape[1]).round().tolist() == lengths
    for b, length in enumerate(lengths):
        wav = wavs[b : b + 1, :length]
        alone, _ = codec.encode_batch(wav)
        steps = math.ceil(length / STEP)
        assert alone.shape == (1, steps, 4) and alone.unique().numel() > steps
        assert torch.equal(tokens[b, :steps], alone[0])
        streamed = list(codec.encode_stream(wav[0].split(7001)))
        assert len(streamed) > 1
        assert torch.equal(torch.cat(streamed), alone[0])
        g = codec.speaker_embedding(wav)
        assert torch.allclose(g[0], embeddings[b], atol=1e-5)
        single, _ = codec.decode_batch(alone, embedding=g, num_samples=length)
        assert (audio[b, :length] - single[0]).abs().max() < 1e-4


def test_live_audio_has_its_tokens_in_time(codec, wavs):
    wav, read, given = wavs[0, : 3 * RATE], [], 0

    def pieces():
        for piece in wav.split(700):
            read.append(len(piece))
            yield piece

    live = []
    for tokens in codec.encode_stream(pieces(), latency=0.3):
        assert sum(read) - given < 0.3 * RATE + 700
        given += len(tokens) * STEP
        live.append(tokens)
    live = torch.cat(live)
    assert len(live) == math.ceil(len(wav) / STEP)
    # Nothing that comes later decides a token.
    early = torch.cat(list(codec.encode_stream([wav[: 6 * STEP]], 0.3)))
    assert torch.equal(live[:6], early)
    with pytest.raises(ValueError, match="0.12 s after"):
        next(codec.encode_stream([wav], latency=0.1))


def test_keep_equals_masking_by_hand(codec, wavs):
    tokens, _ = codec.encode_batch(wavs[:1])
    by_hand = tokens.clone()
    by_hand[..., 2:] = codec.mask_id
    kept = codec.decode_mel(tokens, keep=2)
    assert torch.equal(kept, codec.decode_mel(by_hand))
    assert torch.equal(kept, codec.decode_mel(tokens[..., :2]))
    assert not torch.equal(kept, codec.decode_mel(tokens))
    assert (codec.embed(by_hand)[..., 2:, :] == 0).all()


def test_shorter_than_a_token_and_other_rates(codec):
    tokens, _ = codec.encode_batch(0.1 * torch.ones(1, 5))
    wav, _ = codec.decode_batch(tokens, num_samples=5)
    assert tokens.shape == (1, 1, 4) and wav.shape == (1, 5)
    tokens, _ = codec.encode_batch(torch.zeros(1, 48000), sample_rate=48000)
    assert tokens.shape == (1, 9, 4)
    assert codec.decode_batch(tokens)[0].isfinite().all()


def test_bad_input_says_what_to_do(codec, wavs, tmp_path):
    tokens, _ = codec.encode_batch(wavs[:1])
    with pytest.raises(ValueError, match="NaN or Inf"):
        codec.encode_batch(torch.full((1, RATE), math.nan))
    with pytest.raises(ValueError, match=r"embedding must be \[batch, 32\]"):
        codec.decode_batch(tokens, embedding=torch.zeros(1, 5))
    with pytest.raises(ValueError, match="3 embeddings for 1"):
        codec.decode_batch(tokens, embedding=torch.zeros(3, 32))
    with pytest.raises(ValueError, match="none of 0..16384"):
        codec.decode_batch(tokens + 20000)
    with pytest.raises(ValueError, match="keep=5 is outside 1..4"):
        codec.decode_batch(tokens, keep=5)
    with pytest.raises(ValueError, match="empty.wav"):
        (tmp_path / "empty.wav").write_bytes(b"")
        codec.encode_file(tmp_path / "empty.wav")


def test_files(codec, wavs, tmp_path):
    import soundfile

    path = tmp_path / "in.wav"
    soundfile.write(path, wavs[0, :RATE].numpy(), RATE)
    out = codec.reconstruct_file(path, tmp_path / "out.wav", keep=2)
    assert soundfile.info(out).frames == RATE
    embedding = codec.file_embedding(path)
    assert embedding.shape == (32,)


# Features


def test_features_of_hubert(tiny_hubert_folder, wavs):
    """Section 4 of the layout: silence after the clip, then normalisation."""
    features = SelfSupervised(tiny_hubert_folder)
    wav = wavs[0, : 4 * STEP]
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


def test_fairseq_names_of_hubert(tmp_path):
    network = tiny_hubert(conv_bias=True)
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


# Quantizers


def test_codebooks_follow_counts_and_sums():
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


# Training


def test_clip_and_shuffle_takes_segments(codec):
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


def test_discriminators_see_the_same_windows():
    torch.manual_seed(0)
    judge = MelDiscriminator(channels=4, dropout=0.0).eval()
    mel, lens = torch.randn(2, 90, 80), torch.tensor([1.0, 0.3])
    starts = judge.draw_starts(mel, lens)
    assert (starts[:, 0] + torch.tensor([32, 64, 90]) <= 90).all()
    scores = judge(mel, starts)
    changed = mel.clone()
    changed[1, 40:] = 9.0  # beyond the second utterance's longest windows
    assert torch.equal(judge(changed, starts)[:, 0], scores[:, 0])
    assert scores.shape == (3, 2)


@pytest.mark.parametrize("corpus", ["LibriTTS", "WenetSpeech4TTS"])
@pytest.mark.parametrize(
    "yaml, rate, streams",
    [
        ("table1/socodec_40", 25, 1),
        ("train", 25 / 3, 4),
        ("table1/socodec_240", 25 / 6, 8),
    ],
)
def test_the_paper_s_three_rates(corpus, yaml, rate, streams):
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


# Speech


@pytest.fixture(scope="module")
def speech(tiny_socodec_speech_folder):
    from speechbrain_gogo.inference import SoCodecSpeech

    return SoCodecSpeech.from_hparams(tiny_socodec_speech_folder)


def test_speaks(speech, wavs):
    text = "The fox jumps. The quick brown fox jumps over a lazy dog."
    said = speech.clone_voice(text, wavs[0], "a fox", seed=4)
    assert said.sample_rate == 16000 and said.tokens.shape[1] == 4
    assert len(said.wav) == 1920 * len(said.tokens)
    assert (said.budgets == 4).all()
    stream = list(speech.stream_voice(text, wavs[0], "a fox", seed=4))
    assert torch.allclose(torch.cat(stream), said.wav, atol=1e-4)
    both = speech.clone_voice_batch(
        [(text, wavs[0], "a fox"), ("Why?", wavs[1], "so")], seed=4
    )
    assert torch.equal(both[0].tokens, said.tokens)
    assert torch.allclose(both[0].wav, said.wav, atol=1e-4)
    other = speech.clone_voice(text, wavs[1], seed=4)
    assert not torch.equal(other.wav[:1920], said.wav[:1920])
    with pytest.raises(ValueError, match="temperature"):
        speech.clone_voice(text, wavs[0], temperature=-1)
    with pytest.raises(ValueError, match="no English words"):
        speech.clone_voice("...", wavs[0])

"""Inputs of callers: shapes, arrays, lists, precisions."""

import math

import numpy as np
import pytest
import torch
from speechbrain.dataio.batch import PaddedData
from torch.nn.utils.rnn import pad_sequence

from speechbrain_gogo.inference import GogoCodec, GogoSpeech, GogoTokenizer

RATE, GROUP = 24000, 5120


@pytest.fixture(scope="module")
def tokenizer(tiny_codec_folder):
    return GogoTokenizer(tiny_codec_folder)


@pytest.fixture(scope="module")
def wavs():
    generator = torch.Generator().manual_seed(3)
    return 0.1 * torch.randn(2, 30000, generator=generator)


SAME = {
    "[B, 1, T]": lambda wavs: wavs.unsqueeze(1),
    "[B, T, C]": lambda wavs: torch.stack([wavs, wavs], dim=2),
    "double": lambda wavs: wavs.double(),
    "array": lambda wavs: wavs.numpy(),
    "big-endian": lambda wavs: wavs.numpy().astype(">f8"),
    "from behind": lambda wavs: wavs.flip(1).numpy()[:, ::-1],
    "read-only": lambda wavs: np.frombuffer(
        wavs.numpy().tobytes(), np.float32
    ).reshape(2, -1),
    "list": list,
    "tuple of arrays": lambda wavs: tuple(wavs.numpy()),
    "list of [1, T]": lambda wavs: list(wavs.unsqueeze(1)),
    "list of lists": lambda wavs: wavs.tolist(),
    "gradient": lambda wavs: wavs.clone().requires_grad_(),
}


@pytest.mark.parametrize("form", SAME)
def test_equal_audio_in_all_forms_has_equal_tokens(
    codec, tokenizer, wavs, form
):
    given = SAME[form](wavs)
    expected, _ = codec.encode_batch(wavs)
    assert torch.equal(codec.encode_batch(given)[0], expected)
    if form != "[B, T, C]":  # the tokenizer's dialect is [B, C, T]
        flat, _ = tokenizer.encode(given)
        assert torch.equal(flat.view(2, -1, 10), expected)


def test_single_waveform_without_batch(codec, tokenizer, wavs):
    expected, _ = codec.encode_batch(wavs[:1])
    for one in (wavs[0], wavs[0].numpy(), wavs[0].tolist()):
        assert torch.equal(codec.encode_batch(one)[0], expected)
        flat, _ = tokenizer.encode(one)
        assert torch.equal(flat.view(1, -1, 10), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_waveforms(codec, tokenizer, wavs, dtype):
    expected, _ = codec.encode_batch(wavs.to(dtype).float())
    assert torch.equal(codec.encode_batch(wavs.to(dtype))[0], expected)
    flat, _ = tokenizer.encode(wavs.to(dtype))
    assert torch.equal(flat.view(2, -1, 10), expected)
    stream = codec.encode_stream(wavs[0].to(dtype).split(777))
    assert torch.equal(torch.cat(list(stream)), expected[0])


def test_utterances_of_several_lengths(codec, wavs):
    """Lists and SpeechBrain's padded data contain their lengths."""
    clips = [wavs[0], wavs[1, :12000].numpy()]
    lens = torch.tensor([1.0, 0.4])
    padded = pad_sequence([wavs[0], wavs[1, :12000]], batch_first=True)
    expected = codec.encode_batch(padded, lens)
    for given in (clips, PaddedData(padded, lens)):
        assert all(map(torch.equal, codec.encode_batch(given), expected))
    slow = codec.encode_batch(clips, sample_rate=16000)
    assert all(map(torch.equal, slow, codec.encode_batch(padded, lens, 16000)))
    with pytest.raises(ValueError, match="needs no wav_lens"):
        codec.encode_batch(clips, lens)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((1, 100), np.int16), "int16.*32768"),
        ([[0, 1], [1, 0]], "int64.*32768"),
        (torch.zeros(1, 9, dtype=torch.complex64), "complex64"),
        (None, "got object"),
        ("clip.wav", "got <U8"),
        ([], "not empty"),
        ([torch.zeros(9), torch.zeros(0)], "not empty"),
        ([torch.zeros(2, 9), torch.zeros(9)], "at 0 is a batch of 2"),
        (torch.zeros(9000, 2), "looks like .samples, channels."),
        (torch.zeros(1, 1, 1, 100), "batch, samples"),
        (torch.zeros(1, 2, 100), "transpose"),
        (np.full(9, 1e9), "32768"),
        (torch.full((1, 100), math.nan), "NaN"),
        (torch.full((9,), math.inf, dtype=torch.float16), "NaN or Inf"),
    ],
)
def test_invalid_waveforms_are_refused(codec, given, message):
    with pytest.raises(ValueError, match=message):
        codec.encode_batch(given)


def test_forms_of_stream_pieces(codec, wavs):
    expected, _ = codec.encode_batch(wavs[:1])
    pieces = wavs[0].split(1000)
    for form in (
        lambda piece: piece.numpy(),
        lambda piece: piece[None],
        lambda piece: piece[None, None],
        lambda piece: piece.tolist(),
    ):
        stream = codec.encode_stream(map(form, pieces))
        assert torch.equal(torch.cat(list(stream)), expected[0])
    with pytest.raises(ValueError, match="one waveform"):
        next(codec.encode_stream([wavs]))


@pytest.mark.parametrize("latency", [0.224, 0.24, 0.45, 1.0, math.inf, None])
def test_live_encoding_keeps_the_latency(codec, latency):
    """And are the tokens of the whole recording."""
    generator = torch.Generator().manual_seed(4)
    wav = 0.1 * torch.randn(3 * RATE, generator=generator)
    heard, tokens = 0, []

    def live():
        nonlocal heard
        for piece in wav.split(120):  # 5 ms
            heard += len(piece)
            yield piece

    for groups in codec.encode_stream(live(), latency=latency):
        first = sum(map(len, tokens)) * GROUP
        if heard < len(wav) and latency is not None:
            assert heard - first <= (latency + 0.005) * RATE
        tokens.append(groups)
    assert torch.equal(torch.cat(tokens), codec.encode_batch(wav)[0][0])
    if latency == 0.24:
        assert set(map(len, tokens)) == {1}


@pytest.mark.parametrize("latency", [0.2, 0, -1, math.nan, "soon"])
def test_too_small_latency_is_refused(codec, wavs, latency):
    with pytest.raises(ValueError, match="latency=.* 0.224 s"):
        next(codec.encode_stream([wavs[0]], latency=latency))


@pytest.fixture
def default_dtype(request):
    torch.set_default_dtype(request.param)
    yield request.param
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    "default_dtype", [torch.float64, torch.float16], indirect=True
)
def test_default_dtype_of_the_caller_has_no_effect(
    tiny_codec_folder, codec, tokenizer, wavs, default_dtype
):
    torch.set_default_dtype(torch.float32)
    tokens, lens = codec.encode_batch(wavs, [1.0, 0.5])
    audio, _ = codec.decode_batch(tokens, lens, num_steps=2)
    budgets = None
    if "allocator" in codec.mods:
        budgets = codec.allocate(tokens, target_rate=30.0)
    torch.set_default_dtype(default_dtype)
    for each in (codec, GogoCodec.from_hparams(tiny_codec_folder)):
        again, its_lens = each.encode_batch(wavs, [1.0, 0.5])
        assert torch.equal(again, tokens) and torch.equal(its_lens, lens)
        wav, wav_lens = each.decode_batch(tokens, lens, num_steps=2)
        assert torch.equal(wav, audio)
        assert {wav.dtype, wav_lens.dtype, its_lens.dtype} == {torch.float32}
        if budgets is not None:
            found = each.allocate(tokens, target_rate=30.0)
            assert torch.equal(found, budgets)
        stream = torch.cat(list(each.encode_stream(wavs[0].split(999))))
        assert torch.equal(stream, codec.encode_batch(wavs[:1])[0][0])
        pieces = each.decode_stream(tokens[0], num_steps=2)
        assert torch.equal(torch.cat(list(pieces)), audio[0])
        assert next(each.parameters()).dtype == torch.float32
    flat, _ = tokenizer.encode(wavs)
    assert torch.equal(flat.view(2, -1, 10), codec.encode_batch(wavs)[0])


def test_dtype_conversion_is_ignored_with_a_warning(
    tiny_codec_folder, wavs, caplog
):
    """Other precisions would change tokens; the warning names the run option."""
    codec = GogoCodec.from_hparams(tiny_codec_folder)
    tokens, _ = codec.encode_batch(wavs)
    audio, _ = codec.decode_batch(tokens, num_steps=2)
    model = torch.nn.ModuleDict({"codec": codec, "head": torch.nn.Linear(2, 2)})
    for convert in (
        codec.half,
        codec.bfloat16,
        codec.double,
        lambda: codec.to(torch.float16),
        lambda: codec.to("cpu", torch.bfloat16),
        model.half,
    ):
        caplog.clear()
        convert()
        assert caplog.text.count("keeps its weights") == 1
        assert "'precision': 'bf16'" in caplog.text
        assert torch.equal(codec.encode_batch(wavs)[0], tokens)
        assert torch.equal(codec.decode_batch(tokens, num_steps=2)[0], audio)
    assert model["head"].weight.dtype == torch.float16
    caplog.clear()
    codec.to("cpu").float()
    assert not caplog.text


def test_attribute_names_of_other_codecs(codec, tokenizer):
    assert (codec.frame_rate, codec.codebook_size) == (4.6875, 12800)
    assert codec.bitrate == pytest.approx(46.875 * math.log2(12800))
    assert (tokenizer.frame_rate, tokenizer.codebook_size) == (46.875, 12800)
    assert tokenizer.bitrate == codec.bitrate


def test_all_forms_of_prompts(tiny_speech_folder, wavs):
    speech = GogoSpeech.from_hparams(tiny_speech_folder)
    prompt = torch.cat([wavs[0], wavs[1]])
    stereo = torch.stack([prompt, prompt], dim=1)

    def tokens(prompt):
        said = speech.clone_voice("Hi.", prompt, "A noise.", num_steps=1)
        return said.tokens

    expected = tokens(prompt)
    for form in (
        prompt[None],
        prompt[None, None],
        prompt.numpy(),
        prompt.double().numpy(),
        prompt.tolist(),
        stereo.numpy(),
    ):
        assert torch.equal(tokens(form), expected)
    speech.half()
    assert torch.equal(tokens(prompt), expected)
    for wrong in (stereo.T, prompt.numpy().astype(np.int16), wavs[:, None]):
        with pytest.raises(ValueError, match="transpose|32768|2 waveforms"):
            tokens(wrong)

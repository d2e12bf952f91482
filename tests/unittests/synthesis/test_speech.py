"""GogoSpeech: results, streams, batches, and numbers of passes."""

from itertools import islice

import numpy as np
import pytest
import torch
from tiny_speech import CODES, GROUP, PROMPT_TEXT

from speechbrain_gogo.inference import GogoCodec, GogoSpeech
from speechbrain_gogo.inference.loading.pretrained import PRETRAINED
from speechbrain_gogo.inference.streaming.decoding import windows
from speechbrain_gogo.inference.synthesis.utterances import (
    Utterance,
)
from speechbrain_gogo.lobes.allocator.policy import TokenAllocator
from speechbrain_gogo.lobes.speech.cached_decoding import CachedDecoder


def test_clone_voice(speech, prompt):
    first = speech.clone_voice("Why? So!", prompt, PROMPT_TEXT, seed=1)
    groups = len(first.tokens)
    assert first.sample_rate == 24000 and first.tokens.shape == (groups, 10)
    assert first.wav.shape == (groups * GROUP,) and groups > 0
    assert first.wav.dtype == torch.float32 and first.wav.isfinite().all()
    assert first.budgets.tolist() == [10] * groups  # there is no allocator
    assert first.tokens.max() < CODES
    again = speech.clone_voice("Why? So!", prompt, PROMPT_TEXT, seed=1)
    assert torch.equal(first.wav, again.wav)
    other = speech.clone_voice("Why? So!", prompt, PROMPT_TEXT, seed=2)
    assert not torch.equal(first.tokens, other.tokens)


def test_stream_equals_single(speech, prompt):
    request = "Why does a lazy fox jump? So!", prompt, PROMPT_TEXT
    whole = speech.clone_voice(*request, seed=5)
    stream = speech.stream_voice(*request, seed=5)
    pieces = [next(stream)]
    # Six groups, the first window, not the sentence.
    assert sum(map(len, stream.groups)) == speech.hparams.first_window_groups
    assert len(whole.tokens) > 2 * speech.hparams.first_window_groups
    pieces += stream
    assert len(pieces) > 2 and all(len(piece) for piece in pieces)
    assert torch.equal(torch.cat(pieces), whole.wav)
    assert torch.equal(stream.speech().tokens, whole.tokens)


def test_streams_can_be_interleaved(speech, prompt):
    streams = [
        speech.stream_voice("So", prompt, PROMPT_TEXT, seed=s) for s in (1, 2)
    ]
    pieces = [[], []]
    for pair in zip(*streams):
        for found, piece in zip(pieces, pair):
            found.append(piece)
    for seed, found in zip((1, 2), pieces):
        alone = speech.clone_voice("So", prompt, PROMPT_TEXT, seed=seed).wav
        heard = torch.cat(found)
        assert torch.equal(heard, alone[: len(heard)])


def test_batch_equals_single(speech, prompt):
    requests = [
        {"text": "Why so?", "prompt_wav": prompt, "seed": 3},
        {"text": "A fox. A lazy dog jumps!", "prompt_wav": prompt[:30000]},
        {"text": "So", "prompt_wav": prompt[9999:], "seed": 4},
    ]
    for request in requests:
        request["prompt_text"] = PROMPT_TEXT
    together = speech.clone_voice_batch(requests, seed=7)
    assert len({len(one.tokens) for one in together}) > 1
    for one, request in zip(together, requests):
        alone = speech.clone_voice(**{"seed": 7, **request})
        assert torch.equal(one.tokens, alone.tokens)
        assert one.finished == alone.finished
        assert torch.equal(one.wav, alone.wav)
    guided = speech.clone_voice_batch(requests, seed=7, text_guidance=1.0)
    for one, request in zip(guided, requests):
        alone = speech.clone_voice(**{"seed": 7, **request}, text_guidance=1.0)
        assert torch.equal(one.tokens, alone.tokens)
    assert not torch.equal(guided[0].tokens, together[0].tokens)
    pair = ("So", prompt[9999:], PROMPT_TEXT)
    with torch.autocast("cpu", torch.bfloat16):  # the caller's, not ours
        [tupled] = speech.clone_voice_batch([pair], seed=np.int64(4))
    assert torch.equal(tupled.tokens, together[2].tokens)


def test_compiled_decoders_are_reused(speech, prompt, monkeypatch):
    """They are kept after a smaller last batch and after an error."""
    made = []

    def make(stage, rows):
        made.append((stage, rows))
        return CachedDecoder(weights[stage], rows, 500)

    generator = speech.generator
    weights = [stage.weights() for stage in generator.stages]
    monkeypatch.setattr(type(generator), "compiles", True)
    monkeypatch.setattr(generator, "_make_decoder", make)
    monkeypatch.setattr(generator, "idle_decoders", {})
    monkeypatch.setattr(speech.hparams, "batch_size", 2)
    requests = [("So", prompt[start:], PROMPT_TEXT) for start in (0, 7, 9999)]
    together = speech.clone_voice_batch(requests)
    assert made == [(0, 2), (1, 2)] and len(together) == 3
    for one, request in zip(together, requests):
        assert torch.equal(one.tokens, speech.clone_voice(*request).tokens)
    assert made[2:] == [(0, 1), (1, 1)]

    utterance = Utterance([], torch.zeros(200, 10).long(), seed=0, max_groups=1)
    for count in (1, 2):
        with pytest.raises(ValueError, match="shorter prompt"):
            list(generator.generate([utterance] * count, False, {}))
    speech.clone_voice_batch(requests)
    speech.clone_voice(*requests[0])
    # With the text and without: two rows of Stage I, as of two sentences.
    speech.clone_voice(*requests[0], text_guidance=2.0)
    speech.continue_speech(prompt, max_groups=2, text_guidance=2.0)
    assert made[4:] == []
    speech.clone_voice_batch(requests[:2], text_guidance=2.0)
    assert made[4:] == [(0, 4)]


def count_passes(monkeypatch):
    """Forward passes by the number of ids that they can generate."""
    passes, step = {}, CachedDecoder.step

    def counted(self, *given):
        logits = step(self, *given)
        passes[logits.shape[1]] = passes.get(logits.shape[1], 0) + 1
        return logits

    monkeypatch.setattr(CachedDecoder, "step", counted)
    return passes


def test_passes_equal_the_number_of_tokens(speech, prompt, monkeypatch):
    passes = count_passes(monkeypatch)
    whole = speech.continue_speech(prompt, max_groups=5)
    assert passes == {CODES + 1: 5 * 3, CODES: 5 * 7}
    assert whole.budgets.tolist() == [10] * 5 and not whole.finished

    torch.manual_seed(0)
    allocator = TokenAllocator(
        len(speech.codec.codec.mask), 3, 10, 16, 1, 2, 32
    ).eval()
    torch.nn.init.normal_(allocator.classifier.weight)
    monkeypatch.setitem(speech.codec.mods._modules, "allocator", allocator)
    passes.clear()
    spoken = speech.continue_speech(prompt, max_groups=5)
    budgets = spoken.budgets
    assert 3 <= budgets.min() < budgets.max() <= 10
    assert passes == {CODES + 1: 5 * 3, CODES: int((budgets - 3).sum())}
    kept = torch.arange(10) < budgets.unsqueeze(1)
    assert torch.equal(spoken.tokens < CODES, kept)
    assert torch.equal(spoken.tokens[:, :3], whole.tokens[:, :3])
    asked = speech.codec.allocate(spoken.tokens[None, :, :3])[0]
    assert torch.equal(asked, budgets)
    full = speech.continue_speech(prompt, max_groups=5, allocate=False)
    assert torch.equal(full.tokens, whole.tokens)


def test_speech_without_an_end_is_cut_off(tiny_speech_folder, prompt):
    settings = {"groups_per_character": 0.2, "slowest": 2}
    speech = GogoSpeech.from_hparams(
        tiny_speech_folder, run_opts={"device": "cpu"}, overrides=settings
    )
    end = speech.mods.stage1.end_id
    speech.mods.stage1.llama.lm_head.weight.data[end] *= -1  # never
    spoken = speech.clone_voice("A fox. So!", prompt, PROMPT_TEXT, seed=1)
    # 0.4 groups for each character of a sentence, and for ten more.
    assert len(spoken.tokens) == 7 + 6 and not spoken.finished
    speech.mods.stage1.llama.lm_head.weight.data[end] *= -10  # at once
    spoken = speech.clone_voice("A fox.", prompt, PROMPT_TEXT)
    assert spoken.wav.shape == (0,) and spoken.tokens.shape == (0, 10)
    assert not spoken.finished
    still = speech.stream_voice("A fox.", prompt, PROMPT_TEXT)
    assert list(still) == []


def test_seams_are_inaudible():
    """At window boundaries the spectrum changes no more than without windows."""
    codec = GogoCodec.from_hparams("gogo-mini", run_opts={"device": "cpu"})
    tokens = codec.encode_file(PRETRAINED / "gogo-mini" / "example.flac")
    first, overlap, g = 6, 2, codec.group_size
    starts = [place[0] for place in islice(windows(48, overlap, first), 9)][1:]
    ends = [s + part for s in starts for part in (0, overlap)]
    seams = [e * g + f for e in ends if e < len(tokens) for f in range(-3, 3)]
    assert len(tokens) < 48 and len(seams) >= 24
    with_seams, without = [], []
    for seed in range(3):
        live = codec.decode_groups(tokens, first, overlap, seed)
        live = torch.cat(list(live))
        whole = codec.decode_batch(tokens[None], seed=seed)[0][0]
        assert live.shape == whole.shape
        for jumps, wav in ((with_seams, live), (without, whole)):
            mel = codec.codec.mel(wav[None])[0]
            jumps.append(mel.diff(dim=0).abs().mean(1)[seams])
    with_seams, without = torch.cat(with_seams), torch.cat(without)
    assert with_seams.mean() <= 1.1 * without.mean()
    # Of the largest jumps, too; the very largest one is a draw of the noise.
    largest = [jumps.quantile(0.95) for jumps in (with_seams, without)]
    assert largest[0] <= 1.1 * largest[1]


def test_too_much_overlap_of_the_first_window_is_refused(
    tiny_speech_folder, prompt
):
    speech = GogoSpeech.from_hparams(
        tiny_speech_folder,
        run_opts={"device": "cpu"},
        overrides={"overlap_groups": 4},
    )
    with pytest.raises(ValueError, match="cannot overlap by 4"):
        speech.clone_voice("So", prompt, PROMPT_TEXT)

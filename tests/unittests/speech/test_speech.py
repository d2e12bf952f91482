"""GogoSpeech: what it promises, and what bad input gets."""

import shutil
from itertools import islice

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load, save_file
from transformers import LlamaForCausalLM

from speechbrain_gogo.inference import GogoCodec, GogoSpeech
from speechbrain_gogo.inference.loading.export_speech import (
    export_speech,
    export_speech_stage,
)
from speechbrain_gogo.inference.loading.pretrained import PRETRAINED
from speechbrain_gogo.inference.streaming.decoding import windows
from speechbrain_gogo.inference.streaming.groups import decode_group_stream
from speechbrain_gogo.inference.synthesis.requests import read_prompt
from speechbrain_gogo.inference.synthesis.utterances import (
    Utterance,
    make_utterances,
)
from speechbrain_gogo.lobes.allocator.policy import TokenAllocator
from speechbrain_gogo.lobes.speech.cached_decoding import CachedDecoder

CODES, GROUP = 12800, 5120
PROMPT_TEXT = "the quick brown fox"


@pytest.fixture(scope="module")
def speech(tiny_speech_folder):
    return GogoSpeech.from_hparams(
        tiny_speech_folder, run_opts={"device": "cpu"}
    )


@pytest.fixture(scope="module")
def prompt():
    generator = torch.Generator().manual_seed(1)
    return 0.1 * torch.randn(3 * 24000, generator=generator)


def written(path, wav, rate):
    soundfile.write(str(path), wav.numpy(), rate, subtype="FLOAT")
    return path


def test_stages_are_plain_hugging_face_folders(
    tiny_stages, tiny_speech_folder, speech
):
    stage1, stage2, _ = tiny_stages
    ids = torch.arange(40).view(2, 20)
    for name, lm in (("stage1", stage1), ("stage2", stage2)):
        plain = LlamaForCausalLM.from_pretrained(
            tiny_speech_folder / name, dtype=torch.float32
        )
        loaded = speech.mods[name]
        with torch.no_grad():
            logits = loaded.llama(ids).logits
            assert torch.equal(plain(ids).logits, logits)
            wanted = lm.llama(ids).logits
        exact = name == "stage1"  # the other was written in half precision
        assert (logits - wanted).abs().max() <= (0 if exact else 0.05)
        assert loaded.max_positions == lm.max_positions
        assert (loaded.offset, loaded.output_slice) == (
            lm.offset,
            lm.output_slice,
        )
    assert plain.config.gogo["mask_id"] == CODES
    assert speech.tokenizer.encode("so, why?") != []


def test_a_voice_of_its_own(tiny_speech_folder, speech, prompt, tmp_path):
    """Without a prompt it is the recording that the model comes with."""
    with pytest.raises(ValueError, match="no voice of its own: give prompt"):
        speech.clone_voice("So.")
    voice = written(tmp_path / "me.wav", prompt[:24000], 24000)
    stages = (tiny_speech_folder / name for name in ("stage1", "stage2"))
    folder = tmp_path / "model"
    options = {"voice": (voice, PROMPT_TEXT), "compiled": False}
    export_speech(folder, tiny_speech_folder, *stages, **options)
    named = GogoSpeech.from_hparams(folder, run_opts={"device": "cpu"})
    assert (folder / "voice.wav").read_bytes() == voice.read_bytes()
    wanted = named.clone_voice("So.", voice, PROMPT_TEXT, seed=3)
    assert torch.equal(named.clone_voice("So.", seed=3).wav, wanted.wav)
    batch = named.clone_voice_batch([("So.", None, None)], seed=3)
    assert torch.equal(batch[0].tokens, wanted.tokens)


def test_speech(speech, prompt):
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


def test_a_stream_is_the_utterance(speech, prompt):
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


def test_streams_may_take_turns(speech, prompt):
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


def test_compiled_readers_are_made_once(speech, prompt, monkeypatch):
    """Neither a smaller last batch nor an error costs them."""
    made = []

    def make(stage, rows):
        made.append((stage, rows))
        return CachedDecoder(*of_stage[stage], rows, 500)

    generator = speech.generator
    of_stage = [(stage.llama, stage.output_slice) for stage in generator.stages]
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


def test_a_token_costs_a_pass_and_a_skipped_one_none(
    speech, prompt, monkeypatch
):
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


def test_speech_that_does_not_end_is_cut_off(tiny_speech_folder, prompt):
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


def test_long_text_is_spoken_sentence_by_sentence(speech, prompt):
    request = prompt, PROMPT_TEXT
    both = speech.clone_voice("Why so? A lazy dog.", *request, seed=2)
    first = speech.clone_voice("Why so?", *request, seed=2)
    assert torch.equal(both.tokens[: len(first.tokens)], first.tokens)
    assert len(both.tokens) > len(first.tokens)

    text = "I paid $5 for 3 foxes, " * 200 + "and 1,000 more dogs. " * 260
    assert len(text) > 10_000
    tokens = read_prompt(speech.codec, prompt)
    lines = make_utterances(text, PROMPT_TEXT, tokens, 0, speech)
    stage1 = speech.mods.stage1
    for line in lines:
        taken = stage1.sequence_length(len(line.text), len(tokens) + 10)
        assert taken <= stage1.max_positions
    assert len({line.seed for line in lines}) == len(lines) > 260


def test_sentences_fit_whatever_the_tokenizer_makes_of_them(
    speech, prompt, monkeypatch
):
    """Names take a piece for each letter, the prompt's words one for four."""

    def encode(text):
        names = sum(map(str.isupper, text))
        return [0] * (names * 4 + len(text) // 4)

    monkeypatch.setattr(speech.tokenizer, "encode", encode)
    given = read_prompt(speech.codec, prompt)
    text = "A b c d e f g h i " * 2 + "ABCDE FGHIJ KLMN OPQR " * 4
    lines = make_utterances(text, PROMPT_TEXT, given, 0, speech)
    stage1 = speech.mods.stage1
    per_character = speech.hparams.groups_per_character
    characters = [len(line.text) for line in lines]
    assert len(lines) > 2 and max(characters) < stage1.max_positions
    for line in lines:
        said = line.max_groups / speech.hparams.slowest - 10 * per_character
        groups = len(given) + int(said)
        ids = len(line.text)
        assert stage1.sequence_length(ids, groups) <= stage1.max_positions


def test_prompt_of_any_rate(speech, prompt, tmp_path):
    path = written(tmp_path / "prompt.wav", prompt[:44100], 44100)
    one = torch.stack([prompt[:44100]] * 2, dim=1)  # [T, C]
    tokens = [
        speech.clone_voice(
            "So", given, PROMPT_TEXT, sample_rate=rate, seed=1
        ).tokens
        for given, rate in (
            (path, None),
            (str(path), None),
            (prompt[:44100], 44100),
            (prompt[None, :44100].numpy(), 44100),
            (one, 44100),
        )
    ]
    assert all(torch.equal(tokens[0], other) for other in tokens[1:])
    # A group that is padded with silence would say that the speech is over.
    assert len(read_prompt(speech.codec, prompt[: 3 * GROUP - 1])) == 2
    assert len(read_prompt(speech.codec, prompt[:99])) == 1


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"text": " \U0001f600 ..."}, "text .* no English words"),
        ({"text": ""}, "text '' has no English words"),
        ({"prompt_text": "\n"}, "prompt_text .* no English words"),
        ({"prompt_wav": "none.wav"}, "none.wav"),
        ({"prompt_wav": torch.zeros(0)}, "empty"),
        ({"prompt_wav": torch.ones(24000).short()}, "float tensor"),
        ({"prompt_wav": torch.zeros(20 * 24000)}, "19.8 s .* shorter one"),
        ({"sample_rate": -1}, "-1"),
        ({"temperature": -0.1}, "temperature=-0.1"),
        ({"top_p": 0}, "top_p=0"),
        ({"top_k": 2.5}, "top_k=2.5"),
        ({"repetition_penalty": 0.5}, "repetition_penalty=0.5"),
        ({"text_guidance": -1}, "text_guidance=-1: give 0"),
        ({"num_steps": 0}, "num_steps=0"),
        ({"warmth": 3}, "No setting is called warmth"),
        ({"text": None}, "text has to be text; got None"),
        ({"temperature": None}, "temperature=None"),
        ({"temperature": 1e-39}, "temperature=1e-39: give 0"),
        ({"top_p": float("nan")}, "top_p=nan"),
        ({"top_k": 5.0}, "top_k=5.0: give a whole number"),
        ({"prompt_wav": {}}, "prompt_wav {} is neither a path nor samples"),
        ({"seed": 1.5}, "seed=1.5"),
    ],
)
def test_wrong_requests(speech, prompt, wrong, told):
    request = {"text": "So", "prompt_wav": prompt, "prompt_text": PROMPT_TEXT}
    request.update(wrong)
    with pytest.raises(ValueError, match=told):
        speech.stream_voice(**request)
    with pytest.raises(ValueError, match=told):
        speech.clone_voice(**request)


def test_requests_of_a_batch_are_whole(speech, prompt):
    whole = {"text": "So", "prompt_wav": prompt, "prompt_text": PROMPT_TEXT}
    for request, told in (
        (("So", prompt), "no request: give text, prompt_wav, prompt_text"),
        (("So", prompt, PROMPT_TEXT, 5), "no request"),
        ("So", "'So' is no request"),
        (None, "None is no request"),
        ({"text": "So", "prompt_wav": prompt}, r"lacks \['prompt_text'\]"),
        ({**whole, "temperature": 1}, r"has \['temperature'\]"),
    ):
        with pytest.raises(ValueError, match=told):
            speech.clone_voice_batch([request])


def test_no_groups_are_no_speech(speech, prompt):
    with pytest.raises(ValueError, match="max_groups=0: give 1"):
        speech.continue_speech(prompt, max_groups=0)


def test_emoji_and_digits_do_no_harm(speech, prompt):
    plain = speech.clone_voice("two foxes", prompt, PROMPT_TEXT)
    dressed = speech.clone_voice("2 foxes \U0001f98a", prompt, PROMPT_TEXT)
    assert torch.equal(plain.tokens, dressed.tokens)


def test_loading_is_strict(
    tiny_speech_folder, tiny_stages, tiny_codec_folder, tmp_path
):
    folder = tiny_speech_folder
    with pytest.raises(ValueError, match="cannot speak"):
        GogoSpeech.from_hparams(tiny_codec_folder)
    other = export_speech_stage(
        tmp_path / "stage2", tiny_stages[1], fingerprint="another"
    )
    copy = export_speech(tmp_path / "joint", folder, folder / "stage1", other)
    with pytest.raises(ValueError, match="fingerprint another, not those"):
        GogoSpeech.from_hparams(copy)
    shutil.rmtree(copy / "stage2")
    with pytest.raises(ValueError, match="stage2 is no stage"):
        GogoSpeech.from_hparams(copy)
    shutil.copytree(folder / "stage1", copy / "stage2")
    with pytest.raises(ValueError, match="stage2 holds stage 1"):
        GogoSpeech.from_hparams(copy)
    shutil.rmtree(copy / "stage2")
    shutil.copytree(folder / "stage2", copy / "stage2")
    with pytest.raises(ValueError, match=r"sampling has \['warmth'\]"):
        odd = {"sampling": {"warmth": 1}}
        GogoSpeech.from_hparams(copy, overrides=odd)
    text = (copy / "stage1" / "text.model").read_bytes()
    (copy / "stage1" / "text.model").write_bytes(b"no pieces")
    with pytest.raises(ValueError, match="stage1 has no text tokenizer"):
        GogoSpeech.from_hparams(copy)
    (copy / "stage1" / "text.model").write_bytes(text)
    config = copy / "stage1" / "config.json"
    told = config.read_text()
    config.write_text(told.replace('"order"', '"odor"'))
    with pytest.raises(ValueError, match="config.json .*lacks order"):
        GogoSpeech.from_hparams(copy)
    config.write_text(told.replace('"stage": 1', '"stage": 3'))
    with pytest.raises(ValueError, match="config.json .*no stage 3"):
        GogoSpeech.from_hparams(copy)
    config.write_text(told)
    path = copy / "stage2" / "model.safetensors"
    weights = load(path.read_bytes())
    del weights["model.norm.weight"]
    save_file(weights, path, {"format": "pt"})
    with pytest.raises(ValueError, match="missing model.norm.weight"):
        GogoSpeech.from_hparams(copy)
    path.rename(path.with_name("pytorch_model.bin"))
    with pytest.raises(ValueError, match="Only safetensors"):
        GogoSpeech.from_hparams(copy)
    with open(copy / "speech.yaml", "a") as settings:
        settings.write("when: !apply:time.time []\n")
    with pytest.raises(ValueError, match="trust_source=True"):
        GogoSpeech.from_hparams(copy)


def test_seams_are_inaudible():
    """Where windows meet, the spectrum jumps no more than without windows."""
    codec = GogoCodec.from_hparams("gogo-mini", run_opts={"device": "cpu"})
    tokens = codec.encode_file(PRETRAINED / "gogo-mini" / "example.flac")
    first, overlap, g = 6, 2, codec.group_size
    starts = [place[0] for place in islice(windows(48, overlap, first), 9)][1:]
    ends = [s + part for s in starts for part in (0, overlap)]
    seams = [e * g + f for e in ends if e < len(tokens) for f in range(-3, 3)]
    assert len(tokens) < 48 and len(seams) >= 24
    with_seams, without = [], []
    for seed in range(3):
        live = torch.cat(
            list(decode_group_stream(codec, tokens, first, overlap, seed))
        )
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


def test_the_first_window_may_not_be_all_overlap(tiny_speech_folder, prompt):
    speech = GogoSpeech.from_hparams(
        tiny_speech_folder,
        run_opts={"device": "cpu"},
        overrides={"overlap_groups": 4},
    )
    with pytest.raises(ValueError, match="cannot overlap by 4"):
        speech.clone_voice("So", prompt, PROMPT_TEXT)


def test_the_model_says_its_language(tiny_speech_folder, speech, prompt):
    assert speech.front_end.language == "en"
    plain = GogoSpeech.from_hparams(
        tiny_speech_folder,
        run_opts={"device": "cpu"},
        overrides={"language": None},
    )
    tokens = read_prompt(plain.codec, prompt)
    said, written = (
        make_utterances("fox 5", PROMPT_TEXT, tokens, 0, model)[0].text
        for model in (speech, plain)
    )
    assert said == speech.tokenizer.encode(f"{PROMPT_TEXT} fox five")
    assert written == speech.tokenizer.encode(f"{PROMPT_TEXT} fox 5")
    with pytest.raises(ValueError, match="prompt_text: .*U.FFFD"):
        make_utterances("fox", "caf\ufffd", tokens, 0, speech)

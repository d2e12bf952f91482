"""Tokens of disturbed audio: distances, tables, tokenizers of all interfaces."""

import csv

import numpy as np
import pytest
import soundfile
import torch
from tones import RATE, tone
from torch import nn

from speechbrain_gogo.lobes.tokens.levels import Levels
from speechbrain_gogo.metrics.speech_metric import Figure, SpeechMetric


def test_edit_distance_of_shifted_tokens():
    from comparison import compare_tokens

    steps = torch.arange(20)[:, None] * torch.ones(2, dtype=torch.int64)
    later = torch.cat([steps[1:], steps[:1]])  # a step later, end shorter
    counts = compare_tokens({"1": steps}, {"1": later[:-1]})
    assert counts == {"changed 1": 40, "edits 1": 2, "tokens 1": 40}


def test_levels_of_equal_steps_have_no_distance():
    from comparison import compare_vectors

    clean = torch.full((7, 2, 1), 0.1)  # rounding: their mean is not 0.1
    clean[3, 1] = 1.0
    levels = Levels([1, 1], [1, 1])
    assert set(compare_vectors(clean, clean + 1, levels)) == {"distance 2"}
    one = clean[:1]
    assert compare_vectors(one, one + 1, levels) == {}


class TwoBits(nn.Module):
    """Two levels: whether 10 ms are loud, and a bit that any noise flips."""

    sample_rate = RATE

    def encode(self, inputs, length):
        frames = inputs.unfold(1, 160, 160)  # [B, T', 160]
        loud = frames.abs().mean(2) > 0.05
        fine = (frames.sum(2) * 1e4).round().long() % 2
        tokens = torch.stack([loud.long(), fine], dim=2)
        return tokens, tokens[..., None].float()

    def decode(self, tokens, length=None):
        wav = tokens[..., 0].float().repeat_interleave(160, dim=1)
        return 0.1 * wav.unsqueeze(1)


@pytest.fixture
def settings(tmp_path):
    """Six clips, each loud in one half, and a recipe's settings."""
    with open(tmp_path / "clips.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ID", "duration", "wav", "wrd", "spk_id"])
        for place in range(6):
            wav = tone() * (torch.arange(RATE) < RATE // 2)
            soundfile.write(tmp_path / f"{place}.wav", wav.numpy(), RATE)
            row = [f"c{place}", 1.0, f"$data_root/{place}.wav", "so", "me"]
            writer.writerow(row)
    from recipes.common.disturbances import Gain, Noise
    from recipes.common.noises import Babble, White

    return {
        "test_csv": tmp_path / "clips.csv",
        "data_folder": tmp_path,
        "output_folder": tmp_path / "out",
        "every": 1,
        "max_utterances": None,
        "noise_folder": None,
        "disturbances": {
            "white": Noise(White(), [40]),
            "babble": Noise(Babble(2), [40]),
            "gain": Gain([0]),
            "room": None,
        },
        "coarse": 3,
        "seed": 0,
        "judged": None,
        "bootstrap_seed": 0,
        "num_workers": 0,
    }


def results(folder):
    with open(folder / "results.csv", newline="") as file:
        return {(row["ID"], row["system"]): row for row in csv.DictReader(file)}


def test_robust_level_and_resuming(settings, tmp_path):
    from evaluate import evaluate
    from token_systems import TokenSystem

    system, folder = (
        TokenSystem(TwoBits(), "encodec"),
        settings["output_folder"],
    )
    evaluate(system, [], settings)
    found = results(folder)
    assert len(found) == 6 * 5
    for (_, label), row in found.items():
        coarse, fine = (int(row[f"changed {level}"]) for level in "12")
        assert int(row["tokens 1"]) == 100
        if label in ("clean", "gain 0 dB"):
            assert coarse == fine == 0 == float(row["distance 2"])
        elif label == "white 40 dB":
            assert coarse <= 2 and 25 < fine < 75
            assert float(row["coarse less fine"]) < -0.2
        elif label == "groups shuffled":
            assert 25 < coarse < 75
            assert 0.5 < float(row["distance 1"]) < 1.5
    with open(folder / "level_1.csv", newline="") as file:
        told = [r for r in csv.DictReader(file) if "differ" in r["figure"]]
    shuffled = next(r for r in told if r["disturbance"] == "groups shuffled")
    mean = np.mean(
        [int(found[f"c{i}", "groups shuffled"]["changed 1"]) for i in range(6)]
    )
    assert float(shuffled["value"]) == pytest.approx(mean)
    assert float(shuffled["low"]) < mean < float(shuffled["high"])

    path = folder / "results.csv"  # cut off in the middle of a row
    path.write_bytes(path.read_bytes()[:1500])
    evaluate(system, [], settings)
    assert results(folder) == found

    part = {**settings, "every": 2, "output_folder": tmp_path / "part"}
    lines = settings["test_csv"].read_text().splitlines()
    part["test_csv"] = tmp_path / "reversed.csv"
    part["test_csv"].write_text("\n".join([lines[0], *reversed(lines[1:])]))
    evaluate(system, [], part)
    some = results(part["output_folder"])
    assert len(some) == 3 * 5 and some.items() <= found.items()


class Loudness(SpeechMetric):
    judge, columns = "loudness", ("loud",)
    figures = (Figure("loudness", "loud"),)

    def measure(self, predict, target, transcript=None):
        return {"loud": float(abs(predict).mean())}


def test_rows_of_other_noises_or_without_judges_are_not_reused(settings):
    from evaluate import evaluate
    from token_systems import TokenSystem

    system, judges = TokenSystem(TwoBits(), "encodec"), [Loudness(RATE)]
    settings |= {"max_utterances": 1, "judged": ["clean"]}
    evaluate(system, judges, settings)
    found = results(settings["output_folder"])
    loud = {label for (_, label), row in found.items() if row["loud"]}
    assert loud == {"clean"}
    with pytest.raises(ValueError, match="gain 0 dB: judged: False, now True"):
        evaluate(system, judges, {**settings, "judged": None})
    settings["disturbances"]["babble"].noise.voices = 3
    with pytest.raises(ValueError, match="babble 40 dB: voices: 2, now 3"):
        evaluate(system, judges, settings)


def test_unknown_names_are_refused(settings):
    from evaluate import evaluate
    from token_systems import TokenSystem, load_tokenizer

    system = TokenSystem(TwoBits(), "encodec")
    with pytest.raises(ValueError, match="judged: .'hail 3 dB'"):
        evaluate(system, [], {**settings, "judged": ["hail 3 dB"]})
    with pytest.raises(ValueError, match="use one of encodec, mimi, dac"):
        TokenSystem(TwoBits(), "latin")
    with pytest.raises(ValueError, match="no class speechbrain.Nothing"):
        load_tokenizer("speechbrain.Nothing")


TINY_DAC = {
    "encoder_dim": 4,
    "encoder_rates": [2, 4],
    "latent_dim": 8,
    "decoder_dim": 16,
    "decoder_rates": [4, 2],
    "n_codebooks": 3,
    "codebook_size": 16,
    "codebook_dim": 2,
    "sample_rate": RATE,
}


class Turned(TwoBits):
    """The same with codebooks before steps, as the host's Mimi has them."""

    def encode(self, inputs, length):
        return [x.transpose(1, 2) for x in super().encode(inputs, length)]

    def decode(self, tokens, length=None):
        return super().decode(tokens.transpose(1, 2))


def test_dialects_give_equal_tokens():
    from token_systems import TokenSystem, load_tokenizer

    wav = tone(0.5)
    plain, turned = (
        TokenSystem(module, dialect)
        for module, dialect in ((TwoBits(), None), (Turned(), "mimi"))
    )
    for one, other in zip(plain.encode(wav), turned.encode(wav)):
        assert torch.equal(one, other)
    tokens = plain.encode(wav)[0]
    assert torch.equal(plain.decode(tokens), turned.decode(tokens))

    name = "speechbrain.lobes.models.discrete.dac.DAC"
    dac = TokenSystem(load_tokenizer(name, options=TINY_DAC))
    tokens, vectors = dac.encode(wav)
    assert tokens.shape == (1000, 3) and vectors is None
    assert set(dac.by_level(tokens)) == {"1", "2", "3"}
    expected = dac.tokenizer(wav[None, None])[1]
    expected = dac.tokenizer.decode(expected).flatten()
    torch.testing.assert_close(dac.decode(tokens), expected)


def test_levels_of_cofi_have_their_own_rates(tiny_cofi_folder):
    from token_systems import TokenSystem

    from speechbrain_gogo.inference import GogoTokenizer

    system = TokenSystem(GogoTokenizer(tiny_cofi_folder, layout="grouped"))
    wav = torch.nn.functional.pad(tone(), (0, RATE))
    tokens, vectors = system.encode(wav)
    parts = system.by_level(tokens)
    assert tokens.shape[1] == sum(level.size for level in system.levels)
    assert [p.shape[1] for p in parts.values()] == [
        level.streams for level in system.levels
    ]
    assert vectors.shape[:2] == tokens.shape and len(system.decode(tokens))

"""The recipe that judges conversion: prompts, the nearer voice, resuming."""

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from command_lines import command_line

from speechbrain_gogo.dataio.replacing import write_csv
from speechbrain_gogo.metrics.speech_metric import Figure


@pytest.fixture(autouse=True)
def recipe(scripts_of):
    """The recipe's modules can be imported."""
    scripts_of("LibriTTS/convert")


def test_prompts_are_of_the_right_speakers():
    from voices import choose_prompts

    rows = {
        f"{speaker}{place}": {"spk_id": speaker, "duration": 2 + place}
        for speaker in "abc"
        for place in range(4)
    }
    rows["d0"] = {"spk_id": "d", "duration": 4}
    for same in (True, False):
        chosen = choose_prompts(rows, same, [3, 4], 0)
        again = choose_prompts(dict(reversed(rows.items())), same, [3, 4], 0)
        assert chosen == again
        assert set(chosen) == set(rows) - ({"d0"} if same else set())
        for key, prompt in chosen.items():
            assert key != prompt and 3 <= rows[prompt]["duration"] <= 4
            assert (key[0] == prompt[0]) == same
    with pytest.raises(ValueError, match="change prompt_seconds"):
        choose_prompts(rows, False, [9, 10], 0)
    with pytest.raises(ValueError, match="column spk_id"):
        choose_prompts({"a": {"duration": 4}}, False, [3, 4], 0)


def test_nearer_voice(monkeypatch):
    from voices import TwoVoices

    pytest.importorskip("resemblyzer")
    judge = TwoVoices(16000)
    monkeypatch.setattr(judge, "_embed", lambda wav: wav if len(wav) else None)
    one, other = np.array([1.0, 0.0]), np.array([0.6, 0.8])
    found = judge.measure(one, (one, other))
    assert found["similarity_prompt"] == 1 and found["nearer"] == 1
    assert found["similarity_source"] == pytest.approx(0.6)
    assert judge.measure(other, (one, other))["nearer"] == 0
    assert np.isnan(judge.measure(one[:0], (one, other))["nearer"])


class Loud:
    """A judge of the peak, and of how many signals it heard."""

    columns = ("peak",)
    judge = "peak"
    figures = (Figure("peak", "peak"),)

    def __init__(self):
        self.heard = 0

    def measure_batch(self, predicts, targets, transcripts):
        self.heard += len(predicts)  # in this process
        return [{"peak": float(np.abs(wav).max())} for wav in predicts]


def test_stopped_evaluation_resumes(tiny_speech_folder, tiny_corpus, tmp_path):
    from evaluate import evaluate

    from recipes.common.disturbances import Noise, Room
    from recipes.common.evaluation.results_file import hash_model
    from recipes.common.noises import White
    from speechbrain_gogo.inference import GogoSpeech

    speech = GogoSpeech.from_hparams(tiny_speech_folder)
    lines = (tiny_corpus / "valid.csv").read_text().splitlines()
    rows = list(csv.reader(lines))
    rows[1:] = [[f"{'a' * 250}/{key}", *row] for key, *row in rows[1:]]
    write_csv(tmp_path / "test.csv", rows)
    settings = {
        "output_folder": tmp_path,
        "test_csv": tmp_path / "test.csv",
        "data_folder": tiny_corpus,
        "source": tiny_speech_folder,
        "same_speaker": False,
        "prompt_seconds": [0, 20],
        "every": 1,
        "max_utterances": 1,
        "disturbances": {"white": Noise(White(), [10]), "babble": None},
        "seed": 0,
        "allocate": False,
        "sampling": {"num_steps": 1},
        "num_samples": 1,
        "num_workers": 0,
        "bootstrap_seed": 0,
    }
    evaluate(speech, [judge := Loud()], settings)
    assert judge.heard == 2 * 5
    path = tmp_path / "results.csv"
    before = path.read_bytes()
    with open(path, newline="") as file:
        found = {row["system"]: row["peak"] for row in csv.DictReader(file)}
    assert len(set(found.values())) == 10 and len(found) == 10
    # Audio of each, the prompt and the text.
    [folder] = (tmp_path / "samples").iterdir()
    assert len(list(folder.iterdir())) == 12
    path.write_bytes(before[:-20])  # in the middle of the last row
    evaluate(speech, [judge := Loud()], settings)
    assert judge.heard == 1 and path.read_bytes() == before
    with pytest.raises(ValueError, match="other settings or data .*seed: 0"):
        evaluate(speech, [Loud()], {**settings, "seed": 1})
    # Also disturbances without a noise.
    settings["disturbances"] = {"room": Room([0.3])}
    evaluate(speech, [judge := Loud()], settings)
    assert judge.heard == 5
    decided = json.loads((tmp_path / "settings.json").read_text())
    assert decided["model"] == hash_model(tiny_speech_folder)


def test_judges_hear_the_rate_of_the_model(monkeypatch, tmp_path):
    import evaluate

    found = []
    speech = SimpleNamespace(sample_rate=16000)
    monkeypatch.setattr(
        evaluate.GogoSpeech, "from_hparams", lambda *_, **__: speech
    )
    monkeypatch.setattr(
        evaluate, "evaluate", lambda speech, judges, _: found.extend(judges)
    )
    yaml = Path(evaluate.__file__).parent / "hparams" / "enhance.yaml"
    settings = {"source": "x", "test_csv": "x", "data_folder": "x"}
    settings |= {"output_folder": tmp_path, "metrics": "[stoi]"}
    evaluate.main(command_line(yaml, settings))
    assert [judge.sample_rate for judge in found] == [16000]

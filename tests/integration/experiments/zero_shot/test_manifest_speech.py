"""Zero-shot speech of the texts of a manifest, which three recipes evaluate."""

import csv
import shutil

import pytest
import soundfile
import torch

from recipes.common.evaluation.zero_shot import evaluate
from speechbrain_gogo.metrics.speech_metric import Figure, SpeechMetric

RATE = 24000


class Lengths(SpeechMetric):
    """Seconds of the prompt."""

    columns, judge = ("prompt",), "a ruler"
    figures = (Figure("prompt", "prompt"),)

    def __init__(self):
        super().__init__(RATE)

    def measure(self, predict, target, transcript=None):
        return {"prompt": len(target) / RATE}


@pytest.fixture
def hparams(tiny_speech_folder, tmp_path):
    """Two clips, the second of which is a part of its file."""
    wav = 0.1 * torch.randn(
        2 * RATE, generator=torch.Generator().manual_seed(0)
    )
    soundfile.write(tmp_path / "a.wav", wav.numpy(), RATE)
    model = shutil.copytree(tiny_speech_folder, tmp_path / "model")
    lines = ["ID,duration,wav,wrd,start,stop"]
    lines += ["a,2,$data_root/a.wav,One two.,,"]
    lines += [f"b,1,$data_root/a.wav,Two.,{RATE},{2 * RATE}"]
    (tmp_path / "test.csv").write_text("\n".join(lines) + "\n")
    return {
        "test_csv": str(tmp_path / "test.csv"),
        "data_folder": str(tmp_path),
        "output_folder": str(tmp_path / "out"),
        "seed": 0,
        "max_utterances": None,
        "judges": {"lengths": Lengths},
        "metrics": ["lengths"],
        "models": {"tiny": str(model)},
    }


def test_evaluation_resumes_unless_the_model_has_changed(hparams, tmp_path):
    """The voice is that of a clip alone, also if it is a part of a file."""
    measured, _ = evaluate(hparams, {"device": "cpu"})
    assert [float(row["prompt"]) for row in measured["tiny"]] == [1, 2]
    path = tmp_path / "out" / "results.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:2]) + "\n")
    evaluate(hparams, {"device": "cpu"})
    with open(path, newline="") as stream:
        assert [row["ID"] for row in csv.DictReader(stream)] == ["a", "b"]
    assert path.read_text().splitlines() == lines
    settings = tmp_path / "model" / "speech.yaml"
    settings.write_text(settings.read_text() + "# another one\n")
    with pytest.raises(ValueError, match="other settings or data .tiny: model"):
        evaluate(hparams, {"device": "cpu"})

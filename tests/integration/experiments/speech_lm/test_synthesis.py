"""Synthetic speech: sentences are held out, and an interrupted run resumes."""

import csv
import runpy
import shutil
import sys
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from speechbrain_gogo.dataio.manifests.dataset import speech_dataset

RECIPE = Path(__file__).resolve().parents[4] / "recipes/LibriTTS/speech_lm"
SENTENCES = """NO SHOUTING IN HERE
It was 5 o'clock.
it was five o'clock
One.
Good morning, dear reader.
The morning was good, dear.
Dear me, it was late.
Here it was again.
"""


@pytest.fixture(scope="module")
def recipe():
    """The names of the recipe's files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(RECIPE)
        names = runpy.run_path(str(RECIPE / "synthesize.py"))
        names |= vars(sys.modules.pop("sentences"))
        yield names
        sys.modules.pop("synthesizers", None)


@pytest.fixture
def files(tmp_path):
    (tmp_path / "lines.txt").write_text(SENTENCES)
    return tmp_path


def test_sentences_are_filtered_and_held_out(recipe, files):
    (files / "clips.csv").write_text('ID,wrd\na,"Once more, dear."\n')
    (files / "bad.csv").write_text("ID\na\n")
    paths = [files / "lines.txt", files / "clips.csv"]
    texts, report = recipe["read_sentences"](paths, 2, 5)
    assert texts[:2] == ["no shouting in here", "It was five o'clock."]
    assert report == {
        "used": 7,
        "repeated sentence": 1,
        "not 2 to 5 words": 1,
    }
    with pytest.raises(ValueError, match="bad.csv has no column wrd"):
        recipe["read_sentences"]([files / "bad.csv"], 2, 4)

    splits = recipe["hold_out_sentences"](texts, 1, 2, seed=1)
    assert [len(part) for part in splits.values()] == [4, 1, 2]
    assert sorted(sum(splits.values(), [])) == sorted(texts)
    with pytest.raises(ValueError, match="7 sentences are too few"):
        recipe["hold_out_sentences"](texts, 3, 4, seed=1)


def test_made_up_sentences_are_new(recipe, files):
    texts, _ = recipe["read_sentences"]([files / "lines.txt"], 2, 9)
    given, avoid = texts[:-1], texts[-1:]
    made_up = recipe["make_up_sentences"](given, 5, 6, 1, avoid)
    assert len(set(made_up) - set(texts)) == len(made_up) == 5
    pairs = set()
    for text in given:
        words = text.split()
        pairs |= {*zip(["", *words], [*words, ""])}
    for text in made_up:
        words = text.split()
        assert {*zip(["", *words], [*words, ""])} <= pairs


def test_made_up_sentences_take_more_words(recipe, files):
    (files / "words").write_text(
        "kestrel\n\nkestrel\nIBM's\nI'm\nh\u00e9ron's\n", "utf-8"
    )
    words = recipe["read_words"]([files / "words"])
    assert words == ["kestrel", "I'm", "heron's"]
    given, _ = recipe["read_sentences"]([files / "lines.txt"], 2, 9)
    make = recipe["make_up_sentences"]
    made_up = make(given, 40, 9, 1, more_words=words, share=0.5)
    told = " ".join(made_up).split()
    # More than half: of short sentences, those without such words repeat.
    assert 0.4 < sum(map(told.count, words)) / len(told) < 0.7
    with pytest.raises(ValueError, match="50% .* there are no words"):
        make(given, 1, 9, 1, share=0.5)


def run(recipe, files, yaml="synthesize.yaml", **overrides):
    """The recipe on the sentences; the files it made, with their times."""
    settings = {
        "sentence_files": f"[{files / 'lines.txt'}]",
        "output_folder": files / "out",
        "min_words": 2,
        "valid_sentences": 1,
        "test_sentences": 2,
        "made_up_sentences": 1,
        "num_voices": 4,
        "voices_per_sentence": 2,
        **overrides,
    }
    options = [str(x) for k, v in settings.items() for x in (f"--{k}", v)]
    recipe["main"]([str(RECIPE / "hparams" / yaml), *options])
    audio = sorted((files / "out" / "audio").rglob("*.*"))
    return {path: path.stat().st_mtime_ns for path in audio}


def test_killed_synthesis_is_completed(recipe, files, monkeypatch):
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed")
    made = run(recipe, files)
    texts, clips = {}, 0
    for stage in ("train", "valid", "test"):
        path = files / "out" / f"{stage}.csv"
        dataset, report = speech_dataset(path, files / "out", min_seconds=0.3)
        assert report.skipped == {} and len(dataset[0]["sig"]) > 7200
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file))
        texts[stage] = {row["wrd"] for row in rows}
        assert len({row["spk_id"] for row in rows}) > 1
        clips += len(rows)
    assert [len(part) for part in texts.values()] == [3 + 1, 1, 2]
    assert len(set.union(*texts.values())) == 7
    assert len(made) == clips == 2 * 7
    assert {soundfile.info(str(path)).samplerate for path in made} == {24000}

    gone, cut, *kept = made
    sound, manifest = gone.read_bytes(), (files / "out/train.csv").read_bytes()
    gone.unlink()
    cut.unlink()
    again = run(recipe, files)
    assert set(again) == set(made)
    assert all(again[path] == made[path] for path in kept)
    assert gone.read_bytes() == sound
    assert (files / "out/train.csv").read_bytes() == manifest

    with pytest.raises(ValueError, match=r"no English voice .*\['en-xx'\]"):
        run(recipe, files, synthesizer="{languages: [en-us, en-xx]}")


def test_missing_synthesiser_is_an_error(recipe, files, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ValueError, match="apt-get install espeak-ng"):
        run(recipe, files)


class Voice:
    """Stands for the piper-tts package: a sample of sound for each letter."""

    config = SimpleNamespace(sample_rate=22050)
    session = SimpleNamespace(get_providers=list)

    @classmethod
    def load(cls, path):
        assert Path(path).name == "en-small.onnx"
        return cls()

    def synthesize(self, text, settings):
        assert 0.9 <= settings.length_scale <= 1.3
        for word in text.split():
            yield SimpleNamespace(
                audio_float_array=np.full(9000, len(word) / 50, np.float32)
            )


def test_voices_of_piper(recipe, files, monkeypatch):
    """Styles of a speaker have one ID, calls one thread; missing files are named."""
    config = namedtuple("Config", "length_scale noise_scale noise_w_scale")
    piper = SimpleNamespace(PiperVoice=Voice, SynthesisConfig=config)
    monkeypatch.setitem(sys.modules, "piper", piper)
    threads = []
    onnxruntime = SimpleNamespace(
        SessionOptions=SimpleNamespace,
        InferenceSession=lambda file, options, providers: threads.append(
            options.intra_op_num_threads
        ),
    )
    monkeypatch.setitem(sys.modules, "onnxruntime", onnxruntime)
    voice = files / "en-small.onnx"
    options = {
        "synthesizer": f"{{voice_files: [{voice}]}}",
        "voices_per_sentence": 1,
    }
    for paths in ("", f"{voice}, {files / 'other' / voice.name}"):
        wrong = {**options, "synthesizer": f"{{voice_files: [{paths}]}}"}
        with pytest.raises(ValueError, match="each of another name"):
            run(recipe, files, "piper/synthesize.yaml", **wrong)
    voice.write_bytes(b"")
    with pytest.raises(ValueError, match="en-small.onnx.json have to be files"):
        run(recipe, files, "piper/synthesize.yaml", **options)
    Path(f"{voice}.json").write_text("{}")
    made = run(recipe, files, "piper/synthesize.yaml", **options)
    assert len(made) == 7 and threads == [1]
    with open(files / "out" / "train.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["spk_id"] for row in rows} == {"en-small"}
    for row in rows:
        seconds = len(row["wrd"].split()) * 9000 / 22050
        assert float(row["duration"]) == pytest.approx(seconds, abs=1e-3)

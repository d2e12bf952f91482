"""A language model of tokens, and its continuations of recordings."""

import csv
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from speechbrain_gogo.lobes.speech.llama import speech_llama
from speechbrain_gogo.lobes.speech.stage1 import BackboneLM

RECIPES = Path(__file__).resolve().parents[4] / "recipes" / "LibriTTS"


def test_continuation_in_batch_equals_single(script, tmp_path):
    """Continuations do not depend on the batch."""
    continuations = script("token_lm/continuations.py")["Continuations"]
    torch.manual_seed(0)
    llama = speech_llama(82, 32, 2, 2, 64)
    lm = BackboneLM(llama, 0, codebook_size=80, backbone_size=5).eval()
    codec = SimpleNamespace(group_rate=1)
    clips = [
        {"id": f"{size}", "tokens": torch.randint(80, (size, 10))}
        for size in (9, 4, 1, 12)
    ]
    found = {}
    for batch_size in (1, 4):
        speak = continuations(codec, clips, 3, 6, 7, {}, batch_size)
        prompts = [len(speak.prompt(clip)) for clip in clips]
        assert prompts == [3, 2, 1, 3]
        said = dict((clip["id"], said) for clip, said in speak.spoken(lm))
        found[batch_size] = said
    for key, alone in found[1].items():
        assert alone.shape[1] == 5 and len(alone) <= 6
        assert alone.equal(found[4][key])
    assert any(len(said) for said in found[1].values())


def test_continuation_and_reference_have_equal_lengths(script):
    cut = script("token_lm/train.py")["same_length"]
    for said, rest, lengths in ((5, 9, (5, 5)), (8, 3, (3, 3)), (0, 9, (0, 6))):
        found = cut(torch.ones(said, 3), torch.ones(rest, 3), 6)
        assert tuple(map(len, found)) == lengths


def test_continue_speech_loads_a_run(script, settings, tiny_corpus, tmp_path):
    """continue_speech.py needs the output folder of train.py only."""
    main = script("token_lm/train.py")["main"]
    clips = (tiny_corpus / "train.csv").read_text().splitlines(keepends=True)
    some = tmp_path / "some.csv"  # from the shortest to the longest
    some.write_text("".join(clips[:1] + clips[1::4]))
    line = settings(
        "token_lm",
        test_csv=some,
        output_folder=tmp_path / "out",
        num_codebooks=5,
        lm="{dim: 32, num_heads: 2, num_layers: 1}",
        precision="fp32",
        num_samples=0,
        number_of_epochs=1,
        clip_seconds=1.6,
    )
    yaml = f"{RECIPES}/token_lm/hparams/train.yaml"
    main([yaml, *line, "--continue={max_seconds: 0.4}", "--noprogressbar"])
    with open(tmp_path / "out" / "results.csv", newline="") as file:
        counts = [int(row["tokens"]) for row in csv.DictReader(file)]
    assert len(counts) == 3 and max(counts) <= 8 * 5 + 1
    assert {count % 5 for count in counts} == {0, 1}  # cut, and to the end
    recording = next(tiny_corpus.glob("*/*/*/*.wav"))
    again = script("token_lm/continue_speech.py")["main"]
    there = tmp_path / "continued"
    again([f"{tmp_path}/out", str(recording), f"--folder={there}"])
    written = sorted(path.name for path in there.glob("*.wav"))
    assert written == [f"{recording.stem}_{number}.wav" for number in range(3)]
    with pytest.raises(ValueError, match="Several recordings are named"):
        again([f"{tmp_path}/out", str(recording), f"other/{recording.name}"])
    with pytest.raises(ValueError, match="No run of train.py in"):
        again([str(there), str(recording)])

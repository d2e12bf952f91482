"""Rows that an evaluation keeps or refuses: stops, other codecs, other data."""

import json
from pathlib import Path

import pytest
import soundfile
from noisy_codec import RATE, Difference, NoisyCodec, read_rows


def test_killed_evaluation_resumes(recipe, hparams):
    """Complete rows are used again, an incomplete one is measured again."""
    with pytest.raises(KeyboardInterrupt):
        recipe.evaluate([NoisyCodec(survives=3)], [Difference()], hparams)
    results = Path(hparams["output_folder"]) / "results.csv"
    whole = len(read_rows(hparams))
    assert 0 < whole < 9
    with open(results, "a") as stream:
        stream.write("utt1,keep 4,0.")  # the kill came here
    codec = NoisyCodec()
    resumed = recipe.evaluate([codec], [Difference()], hparams)
    assert codec.calls == 6 - 3
    assert len(read_rows(hparams)) == 9

    results.write_text("ID,sys")  # not even the head is whole
    assert recipe.evaluate([NoisyCodec()], [Difference()], hparams) == resumed
    hparams["output_folder"] += "_fresh"
    assert recipe.evaluate([NoisyCodec()], [Difference()], hparams) == resumed


def test_rows_of_another_codec_are_refused(recipe, hparams):
    """Rows of the same codec before it was retrained are not used."""
    recipe.evaluate([NoisyCodec("a")], [Difference()], hparams)
    with pytest.raises(ValueError, match="noisy: weights: a, now b"):
        recipe.evaluate([NoisyCodec("b")], [Difference()], hparams)


def test_rows_of_other_data_are_refused(recipe, hparams):
    """The same IDs with other audio, other words, another number of clips."""
    hparams["max_utterances"] = 1
    first, more = NoisyCodec(), NoisyCodec()
    recipe.evaluate([first], [Difference()], hparams)
    hparams["max_utterances"] = None
    recipe.evaluate([more], [Difference()], hparams)
    assert (first.calls, more.calls) == (2, 4)

    folder, manifest = Path(hparams["data_folder"]), Path(hparams["test_csv"])
    moved = folder / "moved"
    moved.mkdir()
    for n in range(3):
        (folder / f"{n}.wav").rename(moved / f"{n}.wav")
    hparams["data_folder"] = str(moved)
    recipe.evaluate([NoisyCodec(survives=0)], [Difference()], hparams)

    rows = manifest.read_text()
    swapped = rows.replace("/0.", "/x.").replace("/1.", "/0.")
    manifest.write_text(swapped.replace("/x.", "/1."))
    with pytest.raises(ValueError, match=r"data \(audio: \w+, now \w+\)\. Go"):
        recipe.evaluate([NoisyCodec()], [Difference()], hparams)
    manifest.write_text(rows.replace("hello", "goodbye", 1))
    (moved / "1.wav").write_bytes((moved / "2.wav").read_bytes())
    with pytest.raises(ValueError, match=r"; transcripts: \w+, now \w+\)"):
        recipe.evaluate([NoisyCodec()], [Difference()], hparams)
    settings = Path(hparams["output_folder"]) / "settings.json"
    known = json.loads(settings.read_text())
    del known["audio"], known["transcripts"]  # as before they were kept
    settings.write_text(json.dumps(known))
    with pytest.raises(ValueError, match="audio: not told, now"):
        recipe.evaluate([NoisyCodec()], [Difference()], hparams)


def test_missing_file_is_an_error(recipe, hparams):
    """No table over fewer utterances than the list has."""
    Path(hparams["data_folder"], "2.wav").unlink()
    codec = NoisyCodec()
    with pytest.raises(ValueError, match=r"1 of 3 audio files.*2\.wav"):
        recipe.evaluate([codec], [Difference()], hparams)
    assert codec.calls == 0
    hparams["expected_utterances"] = 4837
    with pytest.raises(ValueError, match="has 3 utterances"):
        recipe.evaluate([codec], [Difference()], hparams)
    with open(hparams["test_csv"], "a") as file:
        file.write("3,long,$data_root/3.wav,It costs $5.\n")
    with pytest.raises(ValueError, match="complete, but.*no duration: 1"):
        recipe.evaluate([codec], [Difference()], hparams)


def test_systems_can_be_added_later(recipe, hparams):
    """Existing rows are kept; only the new system is evaluated."""
    first, second = NoisyCodec(), NoisyCodec(keeps=[2])
    second.name = "other"
    recipe.evaluate([first], [Difference()], hparams)
    summary = recipe.evaluate([first, second], [Difference()], hparams)
    assert (first.calls, second.calls) == (6, 3)
    assert summary["other, keep 2", "difference"][0] == pytest.approx(0.5)
    recipe.evaluate([second], [Difference()], hparams)
    with pytest.raises(ValueError, match="noisy: weights: a, now b"):
        recipe.evaluate([NoisyCodec("b")], [Difference()], hparams)
    with pytest.raises(ValueError, match="one name"):
        recipe.evaluate([first, first], [Difference()], hparams)
    with pytest.raises(ValueError, match="columns of one name"):
        recipe.evaluate([first], [Difference(), Difference()], hparams)


def test_folders_of_other_codecs(recipe, hparams, tmp_path):
    """Their audio is evaluated unchanged; a missing file is an error."""
    from systems import FolderSystem

    made = tmp_path / "made"
    made.mkdir()
    rate = {"tokens": 75, "frames": 75, "codebooks": 1, "bits": 900}
    system = FolderSystem(made, "Folder", "theirs", "MIT", **rate)
    for n in range(3):
        with pytest.raises(ValueError, match=rf"lacks {3 - n} of 3.*utt{n}"):
            recipe.evaluate([system], [Difference()], hparams)
        tone, _ = soundfile.read(str(tmp_path / f"{n}.wav"))
        soundfile.write(made / f"utt{n}.flac", tone[:-100] + 0.5, RATE)
    summary = recipe.evaluate([system], [Difference()], hparams)
    label = "Folder, 1 codebook"
    assert summary[label, "difference"][0] == pytest.approx(0.5, abs=1e-3)
    soundfile.write(made / "utt0.flac", tone[:-100], RATE)  # made again
    with pytest.raises(ValueError, match="Folder: audio: "):
        recipe.evaluate([system], [Difference()], hparams)

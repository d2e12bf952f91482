"""Tokenising a corpus: complete and without duplicates, also after interruptions."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from token_corpora import HEADER, clips, contents, rows, write_corpus

from speechbrain_gogo.dataio.audio.augment import ClipAugmentation
from speechbrain_gogo.dataio.audio.files import read_audio
from speechbrain_gogo.dataio.report import ClipReport
from speechbrain_gogo.dataio.shards.emilia import EmiliaShards
from speechbrain_gogo.dataio.shards.manifests import ManifestShards
from speechbrain_gogo.dataio.text.front_ends import front_end
from speechbrain_gogo.dataio.text.tokenizers import WordPieces
from speechbrain_gogo.dataio.tokens.corpus import open_corpus
from speechbrain_gogo.dataio.tokens.dataset import TokenDataset
from speechbrain_gogo.dataio.tokens.shards import (
    TokenRow,
    save_shard,
    shard_path,
)
from speechbrain_gogo.inference import GogoCodec
from speechbrain_gogo.inference.files.tokenizing import tokenize_corpus


@pytest.fixture(scope="module")
def codec(tiny_codec_folder):
    return GogoCodec.from_hparams(tiny_codec_folder, run_opts={"device": "cpu"})


def manifest(tiny_corpus):
    with open(tiny_corpus / "train.csv", newline="") as file:
        return {row["ID"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def tokenized(codec, tiny_corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokens")
    report = tokenize_corpus(codec, clips(tiny_corpus), folder)
    assert report.clips == {"used": 12}
    return folder


def test_corpus_tokens_equal_encode_file(codec, tiny_corpus, tokenized):
    expected = manifest(tiny_corpus)
    found = rows(tokenized)
    assert sorted(row.id for row in found) == sorted(expected)
    groups = 0
    for row in found:
        listed = expected[row.id]
        assert (row.text, row.speaker) == (listed["wrd"], listed["spk_id"])
        path = listed["wav"].replace("$data_root", str(tiny_corpus))
        assert torch.equal(row.tokens, codec.encode_file(path))
        groups += len(row.tokens)
    assert len(contents(tokenized)) == 3
    hours = groups / codec.group_rate / 3600
    assert f"skipped 0 (none): {hours:.2f} hours" in (
        (tokenized / "report.txt").read_text()
    )


def test_resuming_repeats_one_shard_at_most(
    codec, tiny_corpus, tokenized, tmp_path, monkeypatch
):
    """Stopped before a shard is written, and within one."""
    replace, encode = Path.replace, codec.encode_batch

    def stop(partial, path):
        if "000001" in path.name:
            raise KeyboardInterrupt
        return replace(partial, path)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "replace", stop)
        tokenize_corpus(codec, clips(tiny_corpus), tmp_path)
    assert list(contents(tmp_path)) == ["000000.safetensors"]
    assert not list(tmp_path.glob("partial-*"))
    (tmp_path / "partial-0-000001.safetensors").touch()  # left by a kill
    with pytest.raises(ValueError, match="2 of 3 shards are missing"):
        open_corpus(tmp_path)

    done = []

    def encode_some(wavs, lens, **_):
        done.append(len(wavs))
        if sum(done) > 5:
            raise KeyboardInterrupt
        return encode(wavs, lens)

    one_by_one = {"batch_seconds": 1}  # leaves the tokens alone
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(codec, "encode_batch", encode_some)
        tokenize_corpus(codec, clips(tiny_corpus, **one_by_one), tmp_path)
    assert len(contents(tmp_path)) == 2

    monkeypatch.setattr(codec, "encode_batch", encode_some)
    done[:] = [1]  # room for the four clips that are left
    report = tokenize_corpus(codec, clips(tiny_corpus), tmp_path)
    assert contents(tmp_path) == contents(tokenized)
    assert report.clips == {"used": 12}
    assert not list(tmp_path.glob("partial-*"))
    assert tokenize_corpus(codec, clips(tiny_corpus), tmp_path) == report


@pytest.mark.parametrize("num_workers", [0, 2])
def test_shards_are_split_over_ranks(
    codec, tiny_corpus, tokenized, tmp_path, monkeypatch, num_workers
):
    monkeypatch.setenv("WORLD_SIZE", "2")
    reports = []
    for rank in "10":
        monkeypatch.setenv("RANK", rank)
        reports.append(
            tokenize_corpus(codec, clips(tiny_corpus), tmp_path, num_workers)
        )
    assert reports[0] is None and reports[1].clips == {"used": 12}
    assert contents(tmp_path) == contents(tokenized)


def test_every_row_is_used_or_counted(codec, tmp_path):
    tone = 0.3 * np.sin(np.arange(24000 * 2) / 10)
    soundfile.write(tmp_path / "good.wav", tone, 24000)
    tone[7] = np.nan
    soundfile.write(tmp_path / "nan.wav", tone, 24000, subtype="FLOAT")
    text = "\n".join(
        [
            "ID,duration,wav,wrd",
            "a,2.0,$data_root/good.wav,No 5",
            "a,2.0,$data_root/good.wav,twice",
            "b,2.0,$data_root/nan.wav,words",
            "c,2.0,$data_root/away.wav,words",
            "d,0.5,$data_root/good.wav,words",
            "e,?,$data_root/good.wav,words",
            "f,3.5,$data_root/good.wav,words",
            "g,2.0,$data_root/good.wav,",
        ]
    )
    (tmp_path / "clips.csv").write_text(text + "\n")
    source = ManifestShards(tmp_path / "clips.csv", tmp_path, 6, 2)
    report = tokenize_corpus(
        codec, source, tmp_path / "tokens", normalize=str.lower
    )
    skipped = {
        "duplicate ID": 1,
        "NaN or Inf": 1,
        "missing file": 1,
        "not 1 to 20 s long": 1,
        "no duration": 1,
        "not as long as its row says": 1,
    }
    assert report.clips == {"used": 2, **skipped} and report.clips.read == 8
    assert [row.text for row in rows(tmp_path / "tokens")] == ["no 5", ""]

    pieces = WordPieces.train(["no five"], tmp_path / "text.model", 20)
    dataset = TokenDataset(tmp_path / "tokens", 99, np.maximum, pieces)
    assert dataset.report == {"used": 1, "no text": 1, **skipped}


def test_copies_are_the_same_speech_at_other_places(
    codec, tiny_corpus, tokenized, tmp_path
):
    """The first copy of every clip follows the clips, with changed audio."""
    augmentation = ClipAugmentation(
        24000, 7, max_lead=5120, speeds=[1.0], filter_share=0.0
    )
    source = clips(tiny_corpus, copies=1, augmentation=augmentation)
    report = tokenize_corpus(codec, source, tmp_path)
    assert report.clips == {"used": 24}
    found = {row.id: row for row in rows(tmp_path)}
    for row in rows(tokenized):
        assert torch.equal(found[row.id].tokens, row.tokens)
        copy = found[f"{row.id}-copy1"]
        assert (copy.text, copy.speaker) == (row.text, row.speaker)
        path = source.wavs[row.id]
        wav = augmentation(read_audio(path, 24000), 1, copy.id)
        assert torch.equal(copy.tokens, codec.encode_batch(wav[None])[0][0])
    assert tokenize_corpus(codec, source, tmp_path) == report  # resumes

    with pytest.raises(ValueError, match="need an augmentation"):
        clips(tiny_corpus, copies=1)
    with open(tiny_corpus / "train.csv") as file:
        header, row = file.readline(), file.readline()
    name = row.split(",")[0]
    twins = tmp_path / "twins.csv"
    twins.write_text(header + row + row.replace(name, f"{name}-copy1", 1))
    with pytest.raises(ValueError, match=f"name of a copy of '{name}'"):
        ManifestShards(twins, tiny_corpus, 6, copies=1, augmentation=str)


def test_emilia_tars(codec, tmp_path, request):
    folder = request.config.rootpath / "tests" / "samples" / "emilia"
    source = EmiliaShards(folder, 6, language="en", training=False)
    report = tokenize_corpus(codec, source, tmp_path)
    assert report.clips.skipped.keys() == {"other language"}
    found = rows(tmp_path)
    assert len({row.id for row in found}) == len(found) == report.clips.used
    assert all(row.text and row.speaker for row in found)
    assert len(contents(tmp_path)) == 3


def test_no_usable_clip_is_an_error(codec, tiny_corpus, tmp_path):
    with pytest.raises(ValueError, match="not 30 to 40 s long: 12"):
        source = clips(tiny_corpus, min_duration=30, max_duration=40)
        tokenize_corpus(codec, source, tmp_path)
    (tmp_path / "none.csv").write_text("ID,duration,wav,wrd\n")
    with pytest.raises(ValueError, match="none.csv has no usable row"):
        ManifestShards(tmp_path / "none.csv", tmp_path, 6)


def test_other_data_and_other_codecs_are_refused(
    codec, tiny_corpus, tokenized, tmp_path
):
    with pytest.raises(ValueError, match="clips_per_shard is 4 there and 5"):
        tokenize_corpus(codec, clips(tiny_corpus, clips_per_shard=5), tokenized)
    with pytest.raises(ValueError, match="text is as it is there and lower"):
        tokenize_corpus(
            codec, clips(tiny_corpus), tokenized, normalize=str.lower
        )
    row = TokenRow("clip", "Words.", "anna", torch.zeros(3, 10).long())
    write_corpus(tmp_path, [[row]])
    assert len(TokenDataset(tmp_path, 30)) == 1
    for other in ({"codec": codec}, {"folders": [tokenized, tmp_path]}):
        with pytest.raises(ValueError, match="'mine' .*abc.* not by '.+' "):
            TokenDataset(**{"folders": tmp_path, "max_positions": 999, **other})
    other = {**HEADER, "fingerprint": "xyz", "codec": "yours"}
    save_shard(shard_path(tmp_path, 0), [row], other, ClipReport(used=1))
    with pytest.raises(ValueError, match="'yours' .*xyz.* 'mine' .*abc"):
        open_corpus(tmp_path)


def test_corpora_store_their_front_end(codec, tiny_corpus, tmp_path):
    class Picky:
        name = "picky 3"

        def __call__(self, text):
            if "clip" not in seen:
                seen.append("clip")
                raise ValueError("a letter that cannot be read")
            return text.upper()

    seen, folder = [], tmp_path / "tokens"
    source = clips(tiny_corpus)
    report = tokenize_corpus(codec, source, folder, normalize=Picky())
    assert report.clips.skipped["text that cannot be read"] == 1
    assert all(row.text.isupper() for row in rows(folder) if row.text)
    header, _ = open_corpus(folder)
    assert header["source"]["text"] == "picky 3"
    with pytest.raises(ValueError, match="picky 3"):
        tokenize_corpus(codec, source, folder, normalize=front_end("en"))

"""SoCodec and CoFi-Codec in all that takes a codec's folder."""

import csv
import json
import math
import tarfile

import datasets
import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner

from speechbrain_gogo.cli import app
from speechbrain_gogo.dataio.tokens.dataset import TokenDataset
from speechbrain_gogo.dataio.tokens.layouts import group_ids, lay_out
from speechbrain_gogo.inference import (
    CoFiCodec,
    GogoTokenizer,
    SoCodec,
    open_codec,
)
from speechbrain_gogo.inference.files.corpora import tokenize_to_folder
from speechbrain_gogo.inference.files.tokens import load_tokens


@pytest.fixture(scope="module")
def wavs():
    generator = torch.Generator().manual_seed(5)
    return 0.1 * torch.randn(2, 30_000, generator=generator)


@pytest.fixture(params=["socodec", "cofi"])
def folder(request):
    """A sibling of Gogo, on a disk."""
    return request.getfixturevalue(f"tiny_{request.param}_folder")


def test_open_codec(tiny_socodec_folder, tiny_cofi_folder, tiny_codec_folder):
    assert isinstance(open_codec(tiny_socodec_folder), SoCodec)
    assert isinstance(open_codec(tiny_cofi_folder), CoFiCodec)
    assert open_codec(tiny_codec_folder).num_codebooks == 10


@pytest.mark.parametrize("text", ["- a", "modules: [a]", "? [a]\n: b"])
def test_open_codec_of_another_yaml(tmp_path, text):
    (tmp_path / "hyperparams.yaml").write_text(text)
    with pytest.raises(ValueError, match="hyperparams.yaml"):
        open_codec(tmp_path)


def test_layouts_are_inverse():
    tokens = torch.tensor([[5, 0, 9], [8, 9, 2]])  # 9 is missing
    flat = lay_out(tokens, "flat", codes=9).view(2, 3)
    assert flat.tolist() == [[5, 9, 27], [8, 27, 20]]
    assert torch.equal(group_ids(flat, 9), tokens)
    with pytest.raises(ValueError, match="is not one of column 1"):
        group_ids(torch.tensor([[5, 3, 18]]), 9)


@pytest.mark.parametrize("layout", ["flat", "grouped"])
def test_tokenizer(folder, wavs, layout):
    tokenizer = GogoTokenizer(folder, sample_rate=16000, layout=layout)
    codec, lens = tokenizer.codec, torch.tensor([1.0, 0.5])
    tokens, emb = tokenizer.encode(wavs, lens)
    groups, columns = -(-wavs.shape[1] // 1920), codec.num_codebooks
    books, features = len(set(codec.codebooks)), emb.shape[-1]
    assert tokenizer.bitrate == codec.bitrate
    shape = (2, groups, columns)
    if layout == "flat":
        shape = (2, columns * groups, 1)
    assert tokens.shape == shape and emb.shape == (*shape, features)
    size = codec.vocab_size * (books if layout == "flat" else 1)
    assert tokenizer.vocab_size == size
    assert tokenizer.vocabulary.shape == (shape[2], size, features)
    looked_up = torch.stack(
        [book[tokens[..., k]] for k, book in enumerate(tokenizer.vocabulary)], 2
    )
    assert torch.equal(looked_up[0], emb[0])
    decoded = tokenizer.decode(tokens.float(), lens)
    matrix, _ = codec.encode_batch(wavs, lens)
    expected, _ = codec.decode_batch(matrix[:1])
    assert decoded.shape == (2, 1, groups * 1920)
    assert torch.allclose(decoded[0, 0], expected[0], atol=1e-5)


def test_files_rates_and_bad_input(folder, wavs, tmp_path):
    codec, path = open_codec(folder), tmp_path / "in.wav"
    soundfile.write(path, wavs[0, :16000].numpy(), 16000)
    out = codec.reconstruct_file(path, tmp_path / "out.wav", keep=1)
    assert soundfile.info(out).frames == 16000
    columns, levels = codec.num_codebooks, len(codec.levels)
    assert codec.encode_file(path).shape == (9, columns)
    assert codec.file_embedding(path).shape == (32,)
    tokens, _ = codec.encode_batch(0.1 * torch.ones(1, 5))
    assert codec.decode_batch(tokens, num_samples=5)[0].shape == (1, 5)
    tokens, _ = codec.encode_batch(torch.zeros(1, 48000), sample_rate=48000)
    assert tokens.shape == (1, 9, columns)
    assert codec.decode_batch(tokens)[0].isfinite().all()

    with pytest.raises(ValueError, match="NaN or Inf"):
        codec.encode_batch(torch.full((1, 16000), math.nan))
    with pytest.raises(ValueError, match="Inf"):
        list(codec.encode_stream([torch.full((16000,), math.inf)]))
    with pytest.raises(ValueError, match=r"embedding must be \[batch, 32\]"):
        codec.decode_batch(tokens, embedding=torch.zeros(1, 5))
    with pytest.raises(ValueError, match="3 embeddings for 1"):
        codec.decode_batch(tokens, embedding=torch.zeros(3, 32))
    with pytest.raises(ValueError, match=f"none of 0..{codec.vocab_size}"):
        codec.decode_batch(tokens + 20000)
    with pytest.raises(ValueError, match=f"is outside 1..{levels}"):
        codec.decode_batch(tokens, keep=levels + 1)
    with pytest.raises(ValueError, match="empty.wav"):
        (tmp_path / "empty.wav").write_bytes(b"")
        codec.encode_file(tmp_path / "empty.wav")


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_default_dtype_of_the_caller_has_no_effect(folder, wavs, dtype):
    codec, lens = open_codec(folder), torch.tensor([1.0, 0.6])
    tokens, token_lens = codec.encode_batch(wavs, lens)
    voice = codec.speaker_embedding(wavs, lens)
    expected = codec.decode_batch(tokens, token_lens, embedding=voice)
    torch.set_default_dtype(dtype)
    try:
        assert torch.equal(codec.encode_batch(wavs, lens)[0], tokens)
        assert torch.equal(codec.speaker_embedding(wavs, lens), voice)
        found = codec.decode_batch(tokens, token_lens, embedding=voice)
    finally:
        torch.set_default_dtype(torch.float32)
    for one, other in zip(found, expected):
        assert one.dtype == other.dtype and torch.equal(one, other)


def test_token_files_keep_the_speaker_embedding(folder, tmp_path, wavs):
    """On the command line: decoding uses the recording's embedding."""
    codec = open_codec(folder)
    clip = tmp_path / "clip.wav"
    soundfile.write(clip, wavs[0].numpy(), 16000, "FLOAT")

    def gogo(*words):
        words = [*map(str, words), "--codec", str(folder)]
        return CliRunner().invoke(app, words)

    names = "a.safetensors", "decoded.wav", "again.wav", "mean.wav"
    stored, decoded, again, mean = (tmp_path / name for name in names)
    for words in (
        ("encode", clip, stored),
        ("decode", stored, decoded, "--keep", 1),
        ("reconstruct", clip, again, "--keep", 1),
        ("info", stored),
    ):
        result = gogo(*words)
        assert result.exit_code == 0, result.stderr
    found = load_tokens(stored, codec)
    tokens, lens = codec.encode_batch(wavs[:1])
    assert torch.equal(found.tokens, tokens[0])
    voice = codec.speaker_embedding(wavs[:1])
    assert torch.allclose(found.side["embedding"], voice[0], atol=1e-5)
    codec.decode_file(tokens[0], mean, keep=1, num_samples=30_000)
    heard = [soundfile.read(path)[0] for path in (decoded, again, mean)]
    assert np.array_equal(heard[0], heard[1])
    assert len(heard[0]) == 30_000 and not np.array_equal(heard[0], heard[2])
    for words, wrong in (
        (("decode", stored, decoded, "--steps", 4), "--steps"),
        (("encode", clip, stored, "--allocate"), "allocator"),
    ):
        result = gogo(*words)
        assert result.exit_code == 1 and wrong in result.stderr


def test_tokenised_corpus(folder, tiny_corpus, tmp_path):
    from speechbrain_gogo.dataio.shards.manifests import ManifestShards

    codec = open_codec(folder)
    source = ManifestShards(
        tiny_corpus / "valid.csv", tiny_corpus, 20, sample_rate=16000
    )
    forms = ["npy", "webdataset", "datasets"]
    report = tokenize_to_folder(codec, source, tmp_path, forms)
    assert report.clips.used == 4
    with open(tiny_corpus / "valid.csv", newline="") as file:
        row = next(csv.DictReader(file))
    found = np.load(tmp_path / "codes" / f"{row['ID']}.npy")
    books = found.reshape(-1, codec.num_codebooks) // codec.vocab_size
    assert (books == codec.codebooks).all()
    wav = row["wav"].replace("$data_root", str(tiny_corpus))
    voice = codec.file_embedding(wav).numpy()
    kept = np.load(tmp_path / "embedding" / f"{row['ID']}.npy")
    assert np.allclose(kept, voice, atol=1e-4)
    with tarfile.open(tmp_path / "webdataset" / "000000.tar") as tar:
        name = next(n for n in tar.getnames() if n.endswith("json"))
        about = json.load(tar.extractfile(name))
    assert len(about["embedding"]) == len(voice)
    table = datasets.load_from_disk(str(tmp_path / "dataset"))
    entry = next(each for each in table if each["id"] == row["ID"])
    assert entry["tokens"] == found.tolist()
    assert np.allclose(entry["embedding"], kept)
    dataset = TokenDataset(tmp_path / "corpus", math.inf, codec=codec)
    item = next(each for each in dataset if each["id"] == row["ID"])
    assert np.array_equal(item["side"]["embedding"].numpy(), kept)

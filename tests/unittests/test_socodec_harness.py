"""What takes a codec takes a SoCodec or a CoFi-Codec, by its folder alone."""

import csv

import numpy as np
import pytest
import torch

from speechbrain_gogo.dataio.tokens.layouts import group_ids, lay_out
from speechbrain_gogo.inference import (
    CoFiCodec,
    GogoTokenizer,
    SoCodec,
    open_codec,
)
from speechbrain_gogo.inference.files.corpora import tokenize_to_folder
from speechbrain_gogo.inference.files.tokens import load_tokens, save_tokens


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


def test_token_files(folder, tmp_path, wavs):
    codec = open_codec(folder)
    tokens = codec.encode_batch(wavs[:1])[0][0]
    path = tmp_path / "a.safetensors"
    save_tokens(path, tokens, 30_000, codec.fingerprint, codec.name)
    assert torch.equal(load_tokens(path, codec).tokens, tokens)


def test_a_corpus(folder, tiny_corpus, tmp_path):
    from speechbrain_gogo.dataio.shards.manifests import ManifestShards

    codec = open_codec(folder)
    source = ManifestShards(
        tiny_corpus / "valid.csv", tiny_corpus, 20, sample_rate=16000
    )
    report = tokenize_to_folder(codec, source, tmp_path, forms=["npy"])
    assert report.clips.used == 4
    with open(tiny_corpus / "valid.csv", newline="") as file:
        key = next(csv.DictReader(file))["ID"]
    (path,) = tmp_path.rglob(f"{key}.npy")
    found = np.load(path).reshape(-1, codec.num_codebooks)
    assert (found // codec.vocab_size == codec.codebooks).all()

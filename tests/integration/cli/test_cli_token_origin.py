"""Tokens of `gogo tokenize` are read by a tokenizer like that which made them."""

import datasets
import numpy as np
import pytest
import torch
from test_cli_tokenize import FORMS, from_tars

from speechbrain_gogo.inference import GogoTokenizer


def test_tokens_of_another_model_are_refused(
    tiny_codec_folder, tokenize, tiny_corpus, tmp_path
):
    """Also flat ones, which do not show how many tokens a group has."""
    done = tmp_path / "done"
    tokenize(tiny_corpus / "valid.csv", done, *FORMS)
    tokenizer = GogoTokenizer(tiny_codec_folder)
    table = datasets.load_from_disk(str(done / "dataset"))
    for sample in from_tars(done):
        metadata = sample["json"]
        path = done / "codes" / f"{metadata['id']}.npy"
        tokens = tokenizer.read_tokens(path)
        assert torch.equal(tokens, torch.from_numpy(sample["npy"]))
        tokenizer.check_origin(metadata)
    tokenizer.check_origin(table[0])

    three = GogoTokenizer(tiny_codec_folder, num_codebooks=3)
    there = "num_codebooks is 10 there and 3 here"
    with pytest.raises(ValueError, match=rf"{path.name}: {there}.*Build the"):
        three.read_tokens(path)
    with pytest.raises(ValueError, match=rf"row 0: {there}"):
        three.check_origin(table[0], "row 0")
    grouped = GogoTokenizer(tiny_codec_folder, layout="grouped")
    with pytest.raises(ValueError, match="layout is flat there and grouped"):
        grouped.read_tokens(path)
    with pytest.raises(ValueError, match="fingerprint is .* there and"):
        tokenizer.check_origin({**metadata, "fingerprint": "abc"})
    with pytest.raises(ValueError, match="does not tell layout, num_codebooks"):
        tokenizer.check_origin({"codec": "x", "fingerprint": "abc"})

    alone = tmp_path / "alone.npy"  # without metadata
    np.save(alone, tokens.numpy().astype(np.uint16))
    assert torch.equal(tokenizer.read_tokens(alone), tokens)
    with pytest.raises(ValueError, match="alone.npy: .*0 tokens are no whole"):
        GogoTokenizer(tiny_codec_folder, num_codebooks=7).read_tokens(alone)
    with pytest.raises(ValueError, match="alone.npy: .*another layout"):
        grouped.read_tokens(alone)
    with pytest.raises(ValueError, match="12801 at .* = .0, 0. is none of"):
        tokenizer.check_ids([12801] + [0] * 9)
    (tmp_path / "tokens.json").write_text("[]")
    with pytest.raises(ValueError, match="tokens.json does not tell layout"):
        tokenizer.read_tokens(alone)
    (tmp_path / "tokens.json").write_bytes(b"\xff\xfe{")
    with pytest.raises(ValueError, match="tokens.json is no JSON"):
        tokenizer.read_tokens(alone)
    alone.write_bytes(b"")
    with pytest.raises(ValueError, match="alone.npy is no array"):
        tokenizer.read_tokens(alone)

"""Training on a corpus of tokens: damage, clips that fit, batches."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from token_corpora import HEADER, write_corpus

from speechbrain_gogo.dataio.report import ClipReport
from speechbrain_gogo.dataio.text.phones import Phones
from speechbrain_gogo.dataio.text.tokenizers import WordPieces
from speechbrain_gogo.dataio.tokens.batches import token_loader_settings
from speechbrain_gogo.dataio.tokens.corpus import claim_folder, open_corpus
from speechbrain_gogo.dataio.tokens.dataset import TokenDataset
from speechbrain_gogo.dataio.tokens.shards import (
    TokenRow,
    save_shard,
    shard_path,
)


def test_damage_is_named(tmp_path):
    claim_folder(tmp_path, {**HEADER, "num_shards": 1})
    with pytest.raises(ValueError, match="1 of 1 .* 000000.safetensors"):
        open_corpus(tmp_path)
    with pytest.raises(ValueError, match="No tokenised corpus at .*nowhere"):
        open_corpus(tmp_path / "nowhere")
    tokens = torch.zeros(3, 10).long()
    tokens[1, 2] = 12800
    path = shard_path(tmp_path, 0)
    save_shard(path, [TokenRow("a", "", "", tokens)], HEADER, ClipReport())
    dataset = TokenDataset(tmp_path, 30)
    with pytest.raises(ValueError, match="'a'.* 12800 of group 1, level 2"):
        dataset[0]
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ValueError, match="000000.* is no shard of tokens"):
        open_corpus(tmp_path)
    save_file({"tokens": torch.ones(1)}, path)
    with pytest.raises(ValueError, match="000000.* is no shard of tokens"):
        open_corpus(tmp_path)


@pytest.fixture
def lengths(tmp_path):
    """A corpus of clips of 1 to 40 groups, whose text has one word each."""
    made = [
        TokenRow(f"clip{n}", "hello " * n, "x", torch.full((n, 10), n))
        for n in torch.randperm(40).add(1).tolist()
    ]
    return write_corpus(tmp_path, [made[:17], made[17:]], broken=1)


def test_clips_that_do_not_fit_are_left_out(lengths):
    pieces = WordPieces.train(["hello"], lengths / "text.model", 20)
    assert len(pieces.encode("hello")) == 1
    dataset = TokenDataset(
        lengths, 4 * 30 + 2, lambda text, groups: text + 3 * groups + 2, pieces
    )
    skipped = {"over 122 positions": 10, "broken": 2}
    assert dataset.report == {"used": 30, **skipped}
    for item, positions in zip(dataset, dataset.lengths):
        groups = item["num_groups"]
        assert item["id"] == f"clip{groups}"
        assert item["text_ids"].shape == (groups,)
        assert item["tokens"].dtype == item["text_ids"].dtype == torch.int64
        assert torch.equal(item["tokens"], torch.full((groups, 10), groups))
        assert positions == 4 * groups + 2
    stage_two = TokenDataset(lengths, 200)
    assert stage_two.report == {
        "used": 20,
        "over 200 positions": 20,
        "broken": 2,
    }
    assert "text_ids" not in stage_two[0]
    with pytest.raises(ValueError, match="over 9 positions: 40"):
        TokenDataset(lengths, 9)


def test_texts_that_cannot_be_read_are_counted(tmp_path):
    """Of a tokenizer that refuses letters; other clips stay."""
    (tmp_path / "words").write_text("so S OW1\n")
    texts = {"a": "So 5", "b": "So.", "c": "", "d": "\u00e9"}
    made = [
        TokenRow(name, text, "x", torch.ones(3, 10).long())
        for name, text in texts.items()
    ]
    write_corpus(tmp_path / "tokens", [made])
    for folder in (None, tmp_path / "index", tmp_path / "index"):
        dataset = TokenDataset(
            tmp_path / "tokens",
            99,
            np.maximum,
            Phones(tmp_path / "words"),
            index_folder=folder,
        )
        assert [item["id"] for item in dataset] == ["b"]
        assert dataset.report == {
            "used": 1,
            "no text": 1,
            "text that cannot be read": 2,
        }


@pytest.mark.parametrize("num_workers", [0, 1])
def test_batches_by_positions(lengths, num_workers):
    dataset = TokenDataset([lengths], 400)
    settings = token_loader_settings(
        dataset.lengths, True, 400, bucket_length=100, num_workers=num_workers
    )
    seen = []
    for batch in torch.utils.data.DataLoader(dataset, **settings):
        tokens, lens = batch.tokens
        assert tokens.shape[0] * tokens.shape[1] * 10 <= 400
        counts = (lens * tokens.shape[1]).round().int().tolist()
        assert counts == list(batch.num_groups)
        seen += batch.id
    assert sorted(seen) == sorted(f"clip{n}" for n in range(1, 41))


def test_larger_vocabularies_and_empty_shards(tmp_path):
    header = {**HEADER, "vocab_size": 2**16}
    row = TokenRow("ä", "größer", "", torch.full((1, 10), 2**16 - 1))
    write_corpus(tmp_path, [[], [row]], header)
    dataset = TokenDataset(tmp_path, 10)
    item = dataset[0]
    assert (item["id"], item["wrd"]) == ("ä", "größer")
    assert int(item["tokens"].min()) == 2**16 - 1
    stored = load_file(shard_path(tmp_path, 1))
    assert stored["tokens"].dtype == torch.int32
    assert json.loads((tmp_path / "corpus.json").read_text())["codec"] == "mine"

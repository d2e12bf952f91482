"""Token corpora of millions of clips: memory and time of a process."""

import pickle
import time
import tracemalloc

import numpy as np
import pytest
import torch
from token_corpora import write_corpus

from speechbrain_gogo.dataio.report import ClipReport
from speechbrain_gogo.dataio.text.tokenizers import WordPieces
from speechbrain_gogo.dataio.tokens.batches import BucketBatches
from speechbrain_gogo.dataio.tokens.clip_index import ClipIndex
from speechbrain_gogo.dataio.tokens.dataset import TokenDataset
from speechbrain_gogo.dataio.tokens.shards import (
    TokenRow,
    TokenShard,
    shard_path,
)

MILLION = 10**6


@pytest.fixture
def corpus(tmp_path):
    """Three shards; the clip numbered n has n + 1 groups and n words."""

    def row(n):
        tokens = torch.full((n + 1, 10), n)
        return TokenRow(f"clip{n}", "hello " * n, "", tokens)

    shards = [list(map(row, each)) for each in ([0, 1, 2], [], [3, 4])]
    return write_corpus(tmp_path / "corpus", shards)


class CountedPieces(WordPieces):
    """Counts the texts that are encoded."""

    texts = 0

    def encode_batch(self, texts):
        CountedPieces.texts += len(texts)
        return super().encode_batch(texts)


@pytest.fixture
def pieces(tmp_path):
    WordPieces.train(["hello"], tmp_path / "text.model", 20)
    CountedPieces.texts = 0
    return CountedPieces(tmp_path / "text.model")


def arrays(index):
    names = ("groups", "text_at", "text_ids")
    return {name: getattr(index, name).tolist() for name in names}


def test_ranks_encode_each_text_once(corpus, pieces, tmp_path, monkeypatch):
    shards = [TokenShard(shard_path(corpus, n)) for n in range(3)]
    expected = arrays(ClipIndex(shards, pieces))
    assert expected["groups"] == [1, 2, 3, 4, 5]
    assert np.diff(expected["text_at"]).tolist() == [0, 1, 2, 3, 4]

    CountedPieces.texts = 0
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")  # this process is one of two, the later
    with pytest.raises(FileNotFoundError):
        ClipIndex(shards, pieces, tmp_path / "index")
    (folder,) = (tmp_path / "index").iterdir()
    assert [path.name for path in folder.iterdir()] == [
        "part-000001.safetensors"
    ]
    monkeypatch.setenv("RANK", "0")
    mapped = ClipIndex(shards, pieces, tmp_path / "index")
    assert CountedPieces.texts == 5
    assert arrays(mapped) == expected
    assert isinstance(mapped.text_ids, np.memmap)
    assert not list(folder.glob("part-*"))
    again = ClipIndex(shards, pieces, tmp_path / "index")
    assert arrays(again) == expected and CountedPieces.texts == 5
    assert len(pickle.dumps(mapped)) < 1000  # a worker maps the files itself
    assert arrays(pickle.loads(pickle.dumps(mapped))) == expected
    monkeypatch.setenv("WORLD_SIZE", "1")
    ClipIndex(shards, None, tmp_path / "index")
    assert len(list((tmp_path / "index").iterdir())) == 2  # side by side


def test_mapped_corpus_equals_the_one_in_memory(corpus, pieces, tmp_path):
    def read(folder):
        return TokenDataset(corpus, 9, np.add, pieces, index_folder=folder)

    for item, same in zip(read(None), read(tmp_path / "index")):
        assert item.keys() == same.keys()
        for name, value in item.items():
            assert np.array_equal(value, same[name])
    mapped = read(tmp_path / "index")
    assert mapped.report == {"used": 4, "no text": 1}
    assert [len(item["text_ids"]) for item in mapped] == [1, 2, 3, 4]
    assert mapped.lengths.tolist() == [3, 5, 7, 9]


def test_a_corpus_that_was_tokenised_again_has_a_new_index(pieces, tmp_path):
    """Same folder, codec and numbers of clips, other texts and lengths."""

    def ids_and_groups(words, groups):
        row = TokenRow("clip", words, "", torch.zeros(groups, 10).long())
        corpus = write_corpus(tmp_path / "corpus", [[row]])
        mapped = TokenDataset(
            corpus, 99, np.add, pieces, index_folder=tmp_path / "index"
        )
        return len(mapped[0]["text_ids"]), mapped.lengths.tolist()

    assert ids_and_groups("hello", 3) == (1, [4])
    (tmp_path / "corpus" / "000000.safetensors").unlink()
    assert ids_and_groups("hello hello", 7) == (2, [9])


def test_a_million_clips_take_16_bytes_each_and_3_seconds():
    """Some 2,500 hours; measured without reading any audio or token."""
    draw = np.random.default_rng(0)
    dataset = TokenDataset.__new__(TokenDataset)
    index = ClipIndex.__new__(ClipIndex)
    index.groups = draw.integers(5, 95, MILLION).astype(np.int32)
    text_lengths = draw.integers(3, 80, MILLION)
    index.text_at = np.concatenate([[0], np.cumsum(text_lengths)])
    index.text_ids = np.zeros(index.text_at[-1], np.int8)
    dataset.index, dataset.report = index, ClipReport()
    dataset.max_positions, dataset.tokenizer = 400, "some"
    dataset.count_positions = lambda text, groups: text + 3 * groups + 2

    def epoch():
        dataset.report = ClipReport()
        dataset.clips, dataset.lengths = dataset._fitting()
        batches = BucketBatches(dataset.lengths, True, 36864, 144, 16)
        return sum(len(batch) for batch in batches)

    start = time.process_time()
    assert epoch() == len(dataset) == MILLION
    seconds = time.process_time() - start
    tracemalloc.start()
    try:
        epoch()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    print(f"{peak / MILLION:.1f} bytes a clip, {seconds:.2f} s")
    assert peak / MILLION <= 16
    assert seconds <= 3


def test_batches_hold_every_clip_once_within_bounds(monkeypatch):
    lengths = np.random.default_rng(0).integers(1, 300, 5000)
    made = BucketBatches(lengths, True, 1000, 20, 16, seed=3)
    epochs = []
    for epoch in (1, 2):
        made.set_epoch(epoch)
        batches = list(made)
        assert len(batches) == len(made)
        assert sorted(sum(batches, [])) == list(range(5000))
        for batch in batches:
            longest, shortest = lengths[batch].max(), lengths[batch].min()
            assert longest * len(batch) <= 1000 and len(batch) <= 20
            assert longest - shortest < 16
        epochs.append(batches)
    assert epochs[0] != epochs[1]
    made.set_epoch(1)
    assert list(made) == epochs[0]

    monkeypatch.setenv("WORLD_SIZE", "3")
    of_ranks = []
    for rank in "012":
        monkeypatch.setenv("RANK", rank)
        share = BucketBatches(lengths, True, 1000, 20, 16, seed=3)
        share.set_epoch(1)
        of_ranks.append(list(share))
        assert len(of_ranks[-1]) == len(share) == -(-len(epochs[0]) // 3)
    together = [batch for turn in zip(*of_ranks) for batch in turn]
    assert together[: len(epochs[0])] == epochs[0]
    assert BucketBatches(lengths, False, 1000, 20).clips.sum() == 5000
    in_order = sum(BucketBatches(lengths, False, 1000, 20, 1), [])
    assert (np.diff(lengths[in_order]) >= 0).all()


def test_durations_in_seconds_and_long_clips():
    made = BucketBatches(np.array([0.4, 30.0, 0.5]), False, 2.0, 9, 0.5)
    assert list(made) == [[0, 2], [1]]
    # More buckets than an int16 counts.
    made = BucketBatches(np.array([3, 32767, 40000, 9**6]), False, 99, 9, 1)
    assert list(made) == [[0], [1], [2], [3]]
    with pytest.raises(ValueError, match="has to be more than 0"):
        BucketBatches(np.array([3]), True, 99, 9, bucket_length=0)

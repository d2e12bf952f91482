"""Both kinds of text tokenizer have one interface."""

import json
import pickle

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from speechbrain_gogo.dataio.text.phones import Phones
from speechbrain_gogo.dataio.text.tokenizers import (
    HubTokenizer,
    WordPieces,
    load_text_tokenizer,
)


def hub_tokenizer(folder):
    """Words, with a start token that a Llama's tokenizer would also add."""
    names = ["<s>", "<unk>", "Hello", "there", ",", "you", "five"]
    words = models.WordLevel({n: i for i, n in enumerate(names)}, "<unk>")
    tokenizer = Tokenizer(words)
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 0)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", unk_token="<unk>"
    ).save_pretrained(folder)
    return HubTokenizer(folder)


def word_pieces(folder):
    texts = ["Hello there, you.", "Five?"]
    return WordPieces.train(texts, folder / "text.model", 40)


@pytest.mark.parametrize("make", [hub_tokenizer, word_pieces])
def test_interface(make, tmp_path):
    tokenizer = make(tmp_path)
    texts = ["Hello there, you", "", " five"]
    ids = tokenizer.encode_batch(texts)
    assert ids == [tokenizer.encode(text) for text in texts]
    assert ids[0] and not ids[1] and tokenizer.encode_batch([]) == []
    flat = [number for of_text in ids for number in of_text]
    assert all(type(number) is int for number in flat)
    assert min(flat) > 0 and max(flat) < tokenizer.vocab_size

    folder = tokenizer.save(tmp_path / "again")
    for other in (
        load_text_tokenizer(folder),
        pickle.loads(pickle.dumps(tokenizer)),  # worker processes
    ):
        assert type(other) is type(tokenizer)
        assert other.encode_batch(texts) == ids
        assert other.vocab_size == tokenizer.vocab_size


def test_a_folder_has_the_tokenizer_that_was_saved_last(tmp_path):
    """A training exports into the folder of another one."""
    path = tmp_path / "words.dict"
    path.write_text("five F AY1 V\n")
    pieces, phones = word_pieces(tmp_path), Phones(path)
    hub = hub_tokenizer(tmp_path / "hub")
    for tokenizer in (pieces, phones, hub, phones, pieces, hub):
        folder = tokenizer.save(tmp_path / "stage1")
        found = load_text_tokenizer(folder)
        assert found.fingerprint == tokenizer.fingerprint


def test_no_special_ids_and_unknown_words(tmp_path):
    tokenizer = hub_tokenizer(tmp_path)
    assert tokenizer.encode(" Hello, you ") == [2, 4, 5]
    assert tokenizer.unknown(" Hello, me ") == {"me"}


def test_word_pieces_keep_punctuation(tmp_path):
    tokenizer = word_pieces(tmp_path)
    assert tokenizer.encode("HELLO  There") == tokenizer.encode("hello there")
    assert tokenizer.encode("hello, you") != tokenizer.encode("hello you")


def test_more_characters_than_tokens(tmp_path):
    with pytest.raises(ValueError, match="than 10 tokens can tell"):
        WordPieces.train(["abcdefgh ijklmnop"], tmp_path / "text.model", 10)


def test_no_text(tmp_path):
    path = tmp_path / "text.model"
    with pytest.raises(ValueError, match="no words to train text.model"):
        WordPieces.train(["", " "], path, 10)
    assert not path.exists()


def test_tokenizer_of_a_newer_library(tmp_path):
    newer = {"version": "1.0", "added_tokens": [], "model": {"type": "Newer"}}
    (tmp_path / "tokenizer.json").write_text(json.dumps(newer))
    kind = {"tokenizer_class": "PreTrainedTokenizerFast"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(kind))
    with pytest.raises(ValueError, match="no text tokenizer.*did not match"):
        load_text_tokenizer(tmp_path)


def test_tokenizer_without_a_description(tmp_path):
    """A fingerprint is of the description."""
    kind = {"tokenizer_class": "ByT5Tokenizer"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(kind))
    with pytest.raises(ValueError, match="ByT5Tokenizer has no tokenizer.json"):
        load_text_tokenizer(tmp_path)


def test_long_texts_are_read(tmp_path):
    """Of over 4,192 bytes, which sentencepiece leaves out by default."""
    texts = ["a b c", "a long text " * 400 + "z"]
    made = WordPieces.train(texts, tmp_path / "text.model", 40)
    assert not made.unknown("z")

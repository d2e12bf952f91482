"""Transcripts for the ASR head: normalised words as sentencepiece tokens.

Corpora disagree about case and punctuation; the head learns words, so both
are dropped. The sentencepiece library does the rest.
"""

import re
from pathlib import Path

import sentencepiece
import torch


def normalize_words(text):
    """Lower case, letters, digits and apostrophes only.

    Arguments
    ---------
    text : str
        A transcript.

    Returns
    -------
    str

    Example
    -------
    >>> normalize_words(" Don't -- stop,  SIR! ")
    "don't stop sir"
    """
    text = text.lower().replace("\u2019", "'")
    return " ".join(re.findall(r"[\w']+", text))


def train_tokenizer(sentences, model_path, vocab_size):
    """Train a sentencepiece BPE model, if it is not there already.

    Arguments
    ---------
    sentences : iterable of str
        Transcripts; read only if the model has to be trained.
    model_path : str | Path
        Where the model is, or will be, kept.
    vocab_size : int
        Tokens, unknown, start and end included; fewer come out of a small
        text.

    Returns
    -------
    sentencepiece.SentencePieceProcessor

    Example
    -------
    >>> path = getfixture("tmpdir") / "words.model"
    >>> tokenizer = train_tokenizer(["one two", "two three"], path, 20)
    >>> tokenizer.decode(tokenizer.encode("two one"))
    'two one'
    """
    model_path = Path(model_path)
    if not model_path.is_file():
        partial = model_path.with_suffix(".partial")
        with open(partial, "wb") as writer:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=map(normalize_words, sentences),
                model_writer=writer,
                model_type="bpe",
                vocab_size=vocab_size,
                hard_vocab_limit=False,
                character_coverage=1.0,
                minloglevel=2,
            )
        partial.rename(model_path)
    return sentencepiece.SentencePieceProcessor(model_file=str(model_path))


def encode_text(tokenizer, text):
    """Text token ids of a transcript.

    Arguments
    ---------
    tokenizer : sentencepiece.SentencePieceProcessor
        From :func:`train_tokenizer`.
    text : str
        A transcript.

    Returns
    -------
    torch.Tensor
        int64 [L].
    """
    ids = tokenizer.encode(normalize_words(text))
    return torch.tensor(ids, dtype=torch.long)

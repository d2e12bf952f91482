"""A corpus as tokens: a folder of shards.

    corpus.json            which codec, how many shards, of which data
    000000.safetensors     the clips of the first shard of the corpus
    000001.safetensors     ...
    report.txt             at the end: how much was read, used and skipped

``shards.py`` reads and writes a shard; inference/files/tokenizing.py computes the
tokens.
"""

import json
from pathlib import Path
from typing import NamedTuple

from speechbrain_gogo.dataio.ids import escape_bytes
from speechbrain_gogo.dataio.replacing import replaced_when_complete
from speechbrain_gogo.dataio.report import ClipReport
from speechbrain_gogo.dataio.tokens.shards import TokenShard, shard_path

HEADER = "corpus.json"


class CorpusReport(NamedTuple):
    """Counts of used and skipped clips of a corpus, and its hours."""

    clips: ClipReport
    hours: float

    def __str__(self):
        """One line for the log."""
        return f"{self.clips}: {self.hours:.2f} hours"


def claim_folder(folder, header):
    """Create the folder of a corpus, or continue in an existing one.

    The header can be stored as JSON: fingerprint, codec, num_codebooks,
    vocab_size, group_rate, num_shards, and source, a dict of everything on
    which the shards depend. Raises a ValueError that says what differs if other
    tokens are there, or if the folder's name is no UTF-8.
    """
    folder = Path(folder)
    if (name := escape_bytes(str(folder))) != str(folder):
        raise ValueError(
            f"The name of {name} is no UTF-8, which safetensors needs: choose "
            "another folder."
        )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / HEADER
    if path.is_file():
        _check_same(json.loads(path.read_text()), header, folder)
        return
    with replaced_when_complete(path) as partial:
        partial.write_text(json.dumps(header, indent=2) + "\n")


def _check_same(there, wanted, folder):
    """Refuse to mix the tokens of two codecs, or of two sets of data."""
    there, wanted = (
        {
            **{k: v for k, v in header.items() if k != "source"},
            **header["source"],
        }
        for header in (there, wanted)
    )
    changes = [
        f"{key} is {there.get(key)} there and {wanted.get(key)} here"
        for key in sorted({*there, *wanted})
        if there.get(key) != wanted.get(key)
    ]
    if changes:
        raise ValueError(
            f"{folder} holds other tokens: {'; '.join(changes)}. Go on with "
            "the same codec, data and settings, or write to another folder."
        )


def missing_shards(folder, header):
    """Numbers of the shards that are not in the folder of a corpus yet."""
    numbers = range(header["num_shards"])
    return [n for n in numbers if not shard_path(folder, n).is_file()]


def open_corpus(folder):
    """The header, a dict, and the list of TokenShard of a complete corpus.

    The folder is one that :func:`claim_folder` made. Raises a ValueError if
    there is no corpus, it is not complete, or a shard is damaged or of another
    codec.
    """
    path = Path(folder) / HEADER
    if not path.is_file():
        raise ValueError(f"No tokenised corpus at {folder}: no {HEADER}.")
    header = json.loads(path.read_text())
    missing = missing_shards(folder, header)
    if missing:
        raise ValueError(
            f"{len(missing)} of {header['num_shards']} shards are missing in "
            f"{folder}, the first is {shard_path(folder, missing[0]).name}: "
            "run the tokenising again, and it resumes."
        )
    shards = []
    for number in range(header["num_shards"]):
        shard = TokenShard(shard_path(folder, number))
        if shard.fingerprint != header["fingerprint"]:
            raise ValueError(
                f"{shard.path} was made by codec '{shard.codec}' (fingerprint "
                f"{shard.fingerprint}), the rest of {folder} by "
                f"'{header['codec']}' (fingerprint {header['fingerprint']})."
            )
        shards.append(shard)
    return header, shards


def corpus_texts(folders):
    """Yield the texts of complete corpora, from one shard at a time.

    Raises a ValueError as :func:`open_corpus` does.
    """
    several = isinstance(folders, (list, tuple))
    for folder in folders if several else [folders]:
        _, shards = open_corpus(folder)
        for shard in shards:
            yield from shard.texts()


def corpus_report(folder):
    """The CorpusReport of a complete corpus, also written to report.txt.

    Raises a ValueError if the corpus is not complete, or no clip could be used.
    """
    header, shards = open_corpus(folder)
    clips = sum((shard.report for shard in shards), ClipReport())
    if not clips.used:
        raise ValueError(
            f"No clip of {header['source']} could be used: {clips}. Delete "
            f"{folder} and give other data or settings."
        )
    groups = sum(int(shard.num_groups.sum()) for shard in shards)
    report = CorpusReport(clips, groups / header["group_rate"] / 3600)
    (Path(folder) / "report.txt").write_text(f"{report}\n")
    return report

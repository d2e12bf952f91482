"""The parts of `gogo tokenize`: source, device and output forms.

The corpus is encoded by inference/files/tokenizing.py and exported by
dataio/tokens/forms.py.
"""

import fcntl
import math
import os
from pathlib import Path

from speechbrain_gogo.dataio.shards.manifests import ManifestShards
from speechbrain_gogo.dataio.shards.webdataset import AudioShards
from speechbrain_gogo.dataio.tokens.forms import TokenForms, check_forms
from speechbrain_gogo.dataio.tokens.laid_out import LaidOutCorpus
from speechbrain_gogo.dataio.tokens.layouts import check_layout
from speechbrain_gogo.inference.checks.tokens import check_level
from speechbrain_gogo.inference.files.tokenizing import tokenize_corpus


def find_source(
    path,
    sample_rate,
    data_root=None,
    min_duration=0.0,
    max_duration=math.inf,
    batch_seconds=60.0,
    clips_per_shard=1000,
):
    """A manifest or tars as a source of batches.

    Arguments
    ---------
    path : str | Path
        A SpeechBrain CSV manifest; or a tar, a folder of them, or a pattern.
    sample_rate : int
        Sample rate of the batches, in Hz.
    data_root : str | Path
        Replaces ``$data_root`` in a manifest; its own folder by default.
    min_duration, max_duration : float
        Smallest and largest duration of clips in seconds, inclusive.
    batch_seconds : float
        Largest batch, padding included.
    clips_per_shard : int
        Rows of a manifest per shard.

    Returns
    -------
    ManifestShards | AudioShards
    """
    settings = {
        "batch_seconds": batch_seconds,
        "sample_rate": sample_rate,
        "min_duration": min_duration,
        "max_duration": max_duration,
    }
    path = Path(path)
    if path.suffix.lower() != ".csv":
        return AudioShards(path, **settings)
    root = Path(path.parent if data_root is None else data_root).absolute()
    return ManifestShards(
        path, root, clips_per_shard=clips_per_shard, **settings
    )


def tokenize_to_folder(
    codec,
    source,
    folder,
    forms=("npy",),
    layout="flat",
    num_codebooks=None,
    allocation=None,
    num_workers=0,
):
    """Encode a corpus and write its tokens in several forms.

    A stopped run resumes, on any number of ranks; the last rank writes the forms.

    Arguments
    ---------
    codec : GogoCodec
        The codec.
    source : ManifestShards | AudioShards
        The corpus, see :func:`find_source`.
    folder : str | Path
        Folder for ``corpus/`` (the tokens, shard by shard) and the forms, see
        dataio/tokens/forms.py.
    forms : sequence of str
        Some of "npy", "webdataset", "datasets".
    layout : str
        "flat" or "grouped", see dataio/tokens/layouts.py.
    num_codebooks : int
        Tokens of each group, K; all by default.
    allocation, num_workers
        As in :func:`tokenize_corpus`.

    Returns
    -------
    CorpusReport
        Counts of clips; None while other ranks have not finished.
    """
    check_forms(forms)
    check_layout(layout)
    if num_codebooks is not None:
        check_level(num_codebooks, codec.num_codebooks, "num_codebooks")
    if allocation is not None and num_codebooks is not None:
        raise ValueError(
            "Either the allocator decides how many tokens a group keeps, or "
            f"num_codebooks={num_codebooks} does."
        )
    folder = Path(folder)
    done = tokenize_corpus(
        codec,
        source,
        folder / "corpus",
        num_workers,
        num_tokens=num_codebooks,
        allocation=allocation,
    )
    if done is None:
        return None
    with open(folder / "corpus" / "writing", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two ranks can be the last
        corpus = LaidOutCorpus(
            folder / "corpus",
            layout,
            codec.sample_rate,
            codec.vocab_size,
            codec.codebooks[:num_codebooks],
        )
        known = (getattr(source, name, None) for name in ("wavs", "parts"))
        return TokenForms(corpus, folder).write(forms, *known)


def rank_device(device):
    """Device of this rank: for "cuda", a different GPU for each rank of torchrun.

    Example
    -------
    >>> rank_device("cpu")
    'cpu'
    """
    rank = os.environ.get("LOCAL_RANK")
    return f"cuda:{rank}" if device == "cuda" and rank else device

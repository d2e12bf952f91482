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
    """A manifest or tars as a source of batches: ManifestShards or AudioShards.

    ``path`` is a SpeechBrain CSV manifest; or a tar, a folder of them, or a
    pattern. Of a manifest, ``data_root`` replaces ``$data_root`` (its own
    folder by default), and a shard has ``clips_per_shard`` rows. Batches have
    ``sample_rate`` in Hz and at most ``batch_seconds``, padding included; clips
    last from ``min_duration`` to ``max_duration`` seconds, inclusive.
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

    ``folder`` gets ``corpus/``, the tokens shard by shard, and the ``forms``,
    some of "npy", "webdataset" and "datasets" (see dataio/tokens/forms.py), in
    a layout of dataio/tokens/layouts.py. ``num_codebooks`` is the number of
    tokens of each group, K; all by default. ``source`` is one of
    :func:`find_source`; ``allocation`` and ``num_workers`` are as in
    :func:`tokenize_corpus`.

    A stopped run resumes, on any number of ranks; the last rank writes the
    forms. Returns a CorpusReport; None while other ranks have not finished.
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

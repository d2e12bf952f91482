"""Tokenising a corpus, from shards of clips to shards of tokens.

Shards are distributed over the ranks of torchrun; worker processes read and
decode audio, the codec encodes it in batches. A shard of tokens is renamed to its
name when it is complete, so that a stopped run resumes with the missing shards, on
any number of ranks. Ranks do not wait for each other.
"""

import logging
from collections import defaultdict

from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from tqdm import tqdm
from webdataset.utils import pytorch_worker_info

from speechbrain_gogo.dataio.report import ClipReport
from speechbrain_gogo.dataio.tokens.corpus import (
    claim_folder,
    corpus_report,
    missing_shards,
)
from speechbrain_gogo.dataio.tokens.shards import (
    TokenRow,
    save_shard,
    shard_path,
)
from speechbrain_gogo.lobes.tokens.granular import keep_prefix

logger = logging.getLogger(__name__)

# Settings that do not change the tokens: they may differ after a resume.
BATCHING = (
    *("batch_seconds", "max_batch_size", "buffer_size"),
    *("mixed_shards", "seed", "training", "split_batches"),
)


def tokenize_corpus(
    codec,
    source,
    folder,
    num_workers=0,
    normalize=None,
    num_tokens=None,
    allocation=None,
):
    """Encode the missing shards, distributed over the ranks.

    ``source`` is the corpus, such as ManifestShards or EmiliaShards, with
    ``shards`` (names), ``settings``, ``batches(shard, report)`` and
    ``decode(clips, report)``. ``folder`` is that of the tokens, see
    dataio/tokens/corpus.py; its header has the fingerprint of the codec.
    ``num_workers`` processes of each rank decode audio, each a different shard.

    ``normalize`` is a function of the texts, such as a front end; the header
    has its name, and a clip is skipped if it raises an error. ``num_tokens`` is
    the number of tokens of each group to compute; all by default.
    ``allocation`` are settings of :meth:`GogoCodec.allocate`: dropped tokens
    become the masking token; None keeps all.

    Returns a CorpusReport; None while other ranks have not finished. Raises a
    ValueError if the folder has other tokens, or no clip can be used.
    """
    header = corpus_header(codec, source, normalize, num_tokens, allocation)
    claim_folder(folder, header)
    rank, ranks, *_ = pytorch_worker_info()
    mine = range(rank, len(source.shards), ranks)
    todo = sorted(set(mine).intersection(missing_shards(folder, header)))
    loader = DataLoader(
        _Pieces(source, todo),
        batch_size=None,
        collate_fn=_unchanged,
        num_workers=min(num_workers, len(todo)),
    )
    rows, seconds = defaultdict(list), 0.0
    with tqdm(
        desc="shards",
        total=len(mine),
        initial=len(mine) - len(todo),
        disable=rank > 0,
    ) as bar:
        for number, batch, report in loader:
            if batch is not None:
                rows[number] += _encode(codec, batch, num_tokens, allocation)
                wavs, lens = batch.sig
                seconds += float(lens.sum()) * wavs.shape[1] / codec.sample_rate
                bar.set_postfix(hours=f"{seconds / 3600:.2f}")
                continue
            clips = sorted(rows.pop(number, []), key=lambda row: row.id)
            report = ClipReport(report)
            if normalize is not None:
                clips = _normalized(clips, normalize, report)
            path, name = shard_path(folder, number), source.shards[number]
            save_shard(path, clips, header, report, name)
            bar.update()
    if missing_shards(folder, header):
        return None
    return corpus_report(folder)


def _normalized(clips, normalize, report):
    """Clips with normalised texts; failures are counted."""
    kept = []
    for clip in clips:
        try:
            kept.append(clip._replace(text=normalize(clip.text)))
        except ValueError as error:
            logger.warning("%s is skipped: %s", clip.id, error)
            report["text that cannot be read"] += 1
            report["used"] -= 1
    return kept


def corpus_header(
    codec, source, normalize=None, num_tokens=None, allocation=None
):
    """Header of all shards of a corpus, see ``claim_folder``."""
    settings = source.settings.items()
    recorded = {key: value for key, value in settings if key not in BATCHING}
    recorded["precision"] = codec.precision  # bf16 makes other tokens of some
    name = getattr(normalize, "__name__", "as it is")
    recorded["text"] = getattr(normalize, "name", name)
    masked = {}
    if allocation is not None:
        recorded["allocation"] = allocation
        masked["mask_id"] = codec.mask_id
    return {
        **masked,
        "codec": str(codec.name),
        "fingerprint": codec.fingerprint,
        "num_codebooks": num_tokens or codec.num_codebooks,
        "vocab_size": codec.vocab_size,
        "group_rate": codec.group_rate,
        "num_shards": len(source.shards),
        "source": recorded,
    }


def _unchanged(item):
    """Collate nothing: the batches are made."""
    return item


class _Pieces(IterableDataset):
    """Batches of the missing shards, each (number, batch, None).

    The end of a shard is (number, None, report). The pieces of several shards
    are interleaved, since workers alternate.
    """

    def __init__(self, source, numbers):
        self.source, self.numbers = source, numbers

    def __iter__(self):
        info = get_worker_info()
        step = slice(info.id, None, info.num_workers) if info else slice(None)
        for number in self.numbers[step]:
            shard, report = self.source.shards[number], ClipReport()
            for clips in self.source.batches(shard, report):
                batch = self.source.decode(clips, report)
                if batch is not None:
                    yield number, batch, None
            yield number, None, dict(report)


def _encode(codec, batch, num_tokens, allocation):
    """The rows of a batch."""
    wavs, wav_lens = batch.sig
    tokens, lens = codec.encode_batch(wavs, wav_lens, num_tokens=num_tokens)
    sides = codec.side_information(wavs, wav_lens)  # each [B, ...]
    if allocation is not None:
        budgets = codec.allocate(tokens, lens, **allocation)  # [B, N]
        tokens = keep_prefix(tokens, budgets, codec.mask_id)
    tokens = tokens.cpu()  # [B, N, K]
    counts = (lens * tokens.shape[1]).round().int().tolist()
    samples = (wav_lens.double() * wavs.shape[1]).round().int().tolist()
    known = zip(batch.id, batch.wrd, batch.speaker, tokens, counts, samples)
    return [
        TokenRow(
            *(name, text, speaker, matrix[:count], length),
            side={key: value[place].cpu() for key, value in sides.items()},
        )
        for place, (name, text, speaker, matrix, count, length) in enumerate(
            known
        )
    ]

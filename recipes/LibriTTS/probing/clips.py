"""Data of the probes: mean token embeddings and features of clips.

The codec encodes a manifest into shards of tokens; features are stored in one file
per utterance. A killed run resumes.
"""

import json
import random
import zlib
from pathlib import Path
from typing import NamedTuple

import torch
from features import NAMES
from speechbrain.utils.logger import get_logger
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from speechbrain_gogo.dataio.audio.clips import read_clip
from speechbrain_gogo.dataio.ids import file_name
from speechbrain_gogo.dataio.manifests.reading import read_manifest
from speechbrain_gogo.dataio.manifests.rows import read_table
from speechbrain_gogo.dataio.replacing import replaced_when_complete, write_csv
from speechbrain_gogo.dataio.report import ClipReport
from speechbrain_gogo.dataio.shards.manifests import ManifestShards
from speechbrain_gogo.dataio.text.english import English
from speechbrain_gogo.dataio.text.normalization import normalize_words
from speechbrain_gogo.dataio.tokens.corpus import open_corpus
from speechbrain_gogo.inference.files.tokenizing import tokenize_corpus

logger = get_logger(__name__)


class ProbingData(NamedTuple):
    """M clips: embeddings [M, K, D], features [M, F], and what was skipped."""

    ids: list
    embeddings: torch.Tensor
    features: torch.Tensor
    report: ClipReport


def draw_clips(csv_path, drawn_path, number, seed):
    """Write a manifest with a random sample of the rows of another one.

    A warning is logged with the number of rows that are not well formed, which are
    not drawn.
    """
    header, table = read_table(csv_path)
    rows = [fields for fields in table if fields is not None]
    if len(rows) < len(table):
        logger.warning(
            "%s: %d of %d rows are not well formed and cannot be drawn.",
            csv_path,
            len(table) - len(rows),
            len(table),
        )
    places = list(range(len(rows)))
    random.Random(seed).shuffle(places)
    drawn = (rows[place] for place in sorted(places[:number]))
    write_csv(drawn_path, [header, *drawn])


def probing_data(
    codec,
    extractor,
    csv_path,
    data_root,
    folder,
    num_workers=0,
    complete=False,
    **clips,
):
    """ProbingData of a manifest; what is not in ``folder`` yet is computed.

    Tokens are written to its tokens/, features to its features/; ``clips`` are
    settings of ManifestShards. Raises a ValueError if the tokens there are of
    another codec or manifest, if no clip is usable or, in a ``complete`` set,
    if a clip is unusable.
    """
    folder = Path(folder)
    source = ManifestShards(
        csv_path, data_root, sample_rate=codec.sample_rate, **clips
    )
    report, _ = tokenize_corpus(
        codec,
        source,
        folder / "tokens",
        num_workers=num_workers,
        normalize=English(),
    )
    _, shards = open_corpus(folder / "tokens")
    rows = [shard[place] for shard in shards for place in range(len(shard))]
    usable = [row for row in rows if normalize_words(row.text)]
    if not usable:
        raise ValueError(f"No clip of {csv_path} has words: {report}.")
    report["used"] = len(usable)
    report["no words"] = len(rows) - len(usable)
    report = ClipReport(+report)  # without counts of 0
    if complete and report.skipped:
        raise ValueError(
            f"{csv_path}: a test set has to be complete, but {report}. Mend "
            f"the clips or the manifest, delete {folder} and run it again."
        )
    # Tokens at a position, averaged over the groups (Figure 6).
    means = [codec.embed(row.tokens.unsqueeze(0))[0].mean(0) for row in usable]
    manifest, _ = read_manifest(csv_path, data_root)
    features = measure_clips(
        extractor,
        [
            (
                row.id,
                manifest[row.id]["wav"],
                row.text,
                manifest[row.id]["samples"],
            )
            for row in usable
        ],
        folder / "features",
        num_workers,
    )
    return ProbingData(
        ids=[row.id for row in usable],
        embeddings=torch.stack(means).cpu().float(),  # [M, K, D]
        features=features,
        report=report,
    )


def measure_clips(extractor, clips, folder, num_workers=0):
    """Features of M clips, float64 [M, F], NaN where they are not defined.

    A clip is ID, path, text and, for a part of a file, its samples. Features are
    stored in one file per clip, in a subfolder for each set of settings and
    clips; only those of missing files are measured.
    """
    listed = [(key, str(wav), *rest) for key, wav, *rest in clips]
    metadata = json.dumps([extractor.settings, listed], sort_keys=True)
    folder = Path(folder) / f"{zlib.crc32(metadata.encode()):08x}"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{file_name(key)}.json" for key, *_ in clips]
    todo = [pair for pair in zip(clips, paths) if not pair[1].is_file()]
    loader = DataLoader(
        _Measuring(extractor, todo),
        batch_size=None,
        num_workers=min(num_workers, len(todo)),
    )
    done = len(clips) - len(todo)
    for _ in tqdm(loader, "features", len(clips), initial=done):
        pass
    measured = (json.loads(path.read_text()) for path in paths)
    values = [[features[name] for name in NAMES] for features in measured]
    return torch.tensor(values, dtype=torch.float64)


class _Measuring(Dataset):
    """A dataset that writes the features of a clip when it is loaded."""

    def __init__(self, extractor, todo):
        self.extractor, self.todo = extractor, todo

    def __len__(self):
        return len(self.todo)

    def __getitem__(self, place):
        (_, wav_path, text, *samples), path = self.todo[place]
        wav = read_clip(wav_path, self.extractor.sample_rate, *samples)
        values = self.extractor(wav.numpy(), text)
        with replaced_when_complete(path) as partial:
            partial.write_text(json.dumps(values))
        return place

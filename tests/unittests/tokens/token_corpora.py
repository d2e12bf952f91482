"""Corpora of tokens: a header, twelve clips in shards, and what shards hold."""

from safetensors import safe_open

from speechbrain_gogo.dataio.report import ClipReport
from speechbrain_gogo.dataio.shards.manifests import ManifestShards
from speechbrain_gogo.dataio.tokens.corpus import claim_folder, open_corpus
from speechbrain_gogo.dataio.tokens.shards import save_shard, shard_path

HEADER = {
    "codec": "mine",
    "fingerprint": "abc",
    "num_codebooks": 10,
    "vocab_size": 12800,
    "group_rate": 4.6875,
    "source": {"manifest": "clips.csv"},
}


def clips(tiny_corpus, **settings):
    """Twelve clips in three shards."""
    settings = {"batch_seconds": 6, "clips_per_shard": 4, **settings}
    return ManifestShards(tiny_corpus / "train.csv", tiny_corpus, **settings)


def write_corpus(folder, shards, header=HEADER, **skipped):
    """A corpus of shards, lists of TokenRow; the counts are of each shard."""
    claim_folder(folder, {**header, "num_shards": len(shards)})
    for number, made in enumerate(shards):
        report = ClipReport(used=len(made), **skipped)
        save_shard(shard_path(folder, number), made, header, report)
    return folder


def rows(folder):
    """All rows of a corpus."""
    _, shards = open_corpus(folder)
    return [shard[place] for shard in shards for place in range(len(shard))]


def contents(folder):
    """All that is in all shards; the order of metadata is nobody's."""
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(str(path), "pt") as file:
            keys = sorted(file.keys())
            arrays = {key: file.get_tensor(key).tolist() for key in keys}
            found[path.name] = arrays, file.metadata()
    return found

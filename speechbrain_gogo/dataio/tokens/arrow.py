"""A tokenised corpus as a dataset of the package ``datasets``."""

import shutil

from speechbrain_gogo.dataio.replacing import written_once
from speechbrain_gogo.dataio.tokens.laid_out import LaidOutCorpus


def write_dataset(corpus, path):
    """A row for each clip: ``tokens`` [T', K'] and the metadata.

    Arguments
    ---------
    corpus : LaidOutCorpus
        The clips.
    path : Path
        The folder to write, for ``datasets.load_from_disk``; nothing is
        written if it exists.

    Raises
    ------
    ValueError
        If the package is not installed.
    """
    datasets = import_datasets()
    text, number = datasets.Value("string"), datasets.Value("int64")
    floats = datasets.List(datasets.Value("float32"))
    features = {
        **dict.fromkeys(("id", "text", "speaker"), text),
        "tokens": datasets.List(datasets.List(datasets.Value("int32"))),
        **dict.fromkeys(("num_samples", "sample_rate"), number),
        "layout": text,
        "num_codebooks": number,
        **dict.fromkeys(("codec", "fingerprint"), text),
        **dict.fromkeys(corpus.side_names(), floats),
    }
    with written_once(path) as partial:
        if partial is None:
            return
        made = datasets.Dataset.from_generator(
            _examples,
            datasets.Features(features),
            cache_dir=str(partial / "cache"),
            gen_kwargs={"settings": corpus.settings},
        )
        made.save_to_disk(str(partial))
        del made  # it maps the cache
        shutil.rmtree(partial / "cache")


def import_datasets():
    """The package ``datasets``.

    Raises
    ------
    ValueError
        If it is not installed.
    """
    try:
        import datasets
    except ImportError:
        raise ValueError(
            "The form 'datasets' needs the package of this name: "
            "pip install 'speechbrain-gogo[datasets]'."
        ) from None
    return datasets


def _examples(settings):
    """Rows; the package pickles and hashes the arguments of this function."""
    corpus = LaidOutCorpus(*settings)
    for rows in corpus.shards(progress="datasets"):
        for row in rows:
            yield {**corpus.metadata(row), "tokens": row.tokens.numpy()}

"""Loading of any codec of this package."""

from pathlib import Path

import yaml

from speechbrain_gogo.inference.codec import GogoCodec
from speechbrain_gogo.inference.cofi import CoFiCodec
from speechbrain_gogo.inference.loading.pretrained import find_source
from speechbrain_gogo.inference.socodec import SoCodec

# The networks of a YAML and the interface to them.
INTERFACES = {
    "speechbrain_gogo.lobes.socodec.codec.SoCodecNetwork": SoCodec,
    "speechbrain_gogo.lobes.cofi.codec.CoFiCodecNetwork": CoFiCodec,
}


def open_codec(source, savedir=None, run_opts=None, **options):
    """Load a pretrained codec of any class.

    Arguments
    ---------
    source : str | Path
        A folder, a bundled name ("gogo-mini"), or a hub id.
    savedir : str | Path
        Folder for files from the hub; its own cache by default.
    run_opts : dict
        SpeechBrain run options, such as ``{"device": "cuda"}``.
    **options
        Others of ``from_hparams``, such as ``trust_source``.

    Returns
    -------
    PretrainedCodec
        GogoCodec, SoCodec or CoFiCodec.

    Raises
    ------
    ValueError
        If there is no such model, it is not trusted, or its weights do
        not match.

    Example
    -------
    >>> open_codec("gogo-mini").num_codebooks
    10
    """
    kind = codec_class(source, savedir, options)
    return kind.from_hparams(source, savedir, run_opts, **options)


def codec_class(source, savedir=None, options=None):
    """The interface class of a model, from the tag of its ``codec``."""
    known = "overrides", "trust_source", "steps", "weights"
    hub = {k: v for k, v in (options or {}).items() if k not in known}
    folder = find_source(source, savedir, **hub)
    path = Path(folder) / "hyperparams.yaml"
    if not path.is_file():
        return SoCodec  # as its authors released it
    try:
        with open(path, encoding="utf-8") as stream:
            root = yaml.compose(stream, Loader=yaml.SafeLoader)
        nodes = {key.value: value for key, value in root.value}
        modules = {key.value: node for key, node in nodes["modules"].value}
        name = modules["codec"].tag.removeprefix("!new:")
    except (
        *(yaml.YAMLError, OSError, RecursionError),
        *(AttributeError, KeyError, TypeError, ValueError),  # another structure
    ):
        return GogoCodec  # whose error says what is wrong
    return INTERFACES.get(name, GogoCodec)

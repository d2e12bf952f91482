"""Models that an experiment would read: folders, bundled ones, and the hub's.

Of models of the hub it says whether the cache has them, without a request.
"""

from pathlib import Path
from typing import NamedTuple

import huggingface_hub.constants as hub
from huggingface_hub import scan_cache_dir
from huggingface_hub.errors import CacheNotFound, HFValidationError
from huggingface_hub.utils import validate_repo_id

from speechbrain_gogo.inference.loading.pretrained import PRETRAINED
from speechbrain_gogo.metrics.recognition.recognizers import DEFAULT

WEIGHTS = ".safetensors", ".bin", ".pt", ".pth", ".ckpt"

# Settings that name a model: a folder, a hub id or a bundled name. A recipe that
# adds another one adds its name here.
MODELS = (
    "source",
    "codec",
    "codec_source",
    "start_from",
    "vocoder",
    "vocoder_source",
    "coded_by",
    "text_tokenizer",
    "recognizer",
    "whisper",
    "hubert",
    "wavlm",
    "wavlm_checkpoint",
)
# Arguments of objects that name one, at any depth.
INNER = "source", "checkpoint", "llama", "hearing_source", "recognizer"


class Input(NamedTuple):
    """Something that an experiment would read: its setting, and what is there.

    ``hours`` are those of its usable audio. The experiment would fail for the
    lack of what is ``missing``; ``download`` is the id of a model of the hub
    that is not in its cache.
    """

    name: str
    text: str
    hours: float | None = None
    missing: bool = False
    download: str | None = None


def find_models(settings, tree):
    """All models that settings name, a list of Input.

    ``settings`` is a YAML without objects, ``tree`` the same with the arguments
    of objects.
    """
    found, cache = {}, _cached_models()

    def add(name, source):
        found.setdefault(source, describe_model(name, source, cache))

    for name in MODELS:
        source = settings.get(name)
        if isinstance(source, str) and source not in MODELS:  # such as coded_by
            add(name, source)
    for name in ("models", "other_systems"):
        for label, source in (settings.get(name) or {}).items():
            if isinstance(source, str):
                add(f"{name}, {label}", source)
    for place, source in _inner_models(tree, tree.get("metrics")):
        if is_hub_id(source):
            add(", ".join(place), source)
    return list(found.values())


def describe_model(name, source, cache=None):
    """What is known of a model without loading it, an Input.

    ``name`` is that of its setting, ``source`` a folder or file, a bundled
    name, or an id of the hub. ``cache`` has the MB of the models in the hub's
    cache; it is looked up by default.
    """
    for path in (PRETRAINED / source, Path(source)):
        if path.is_dir():
            files = [file for file in path.rglob("*") if file.is_file()]
            size = sum(file.stat().st_size for file in files) / 1e6
            return Input(name, f"{source}: a folder of {size:.1f} MB")
        if path.is_file():
            size = path.stat().st_size / 1e6
            return Input(name, f"{source}: {size:.1f} MB")
    if not is_hub_id(source):
        return Input(name, f"{source}: no folder here, and no owner/name")
    cache = _cached_models() if cache is None else cache
    text = f"{source}: no folder here, so of the hub"
    if source in cache:
        return Input(name, f"{text}: in its cache, {cache[source]:.1f} MB")
    text += f", and not in its cache {hub.HF_HUB_CACHE}"
    if hub.HF_HUB_OFFLINE:
        text += "; HF_HUB_OFFLINE forbids to download it"
        return Input(name, text, missing=True)
    return Input(name, f"{text}: to be downloaded", download=source)


def is_hub_id(source):
    """Whether a text may be an id of the hub, owner/name.

    Example
    -------
    >>> is_hub_id("openai/whisper-base"), is_hub_id("a/b/c"), is_hub_id("mini")
    (True, False, False)
    """
    try:
        validate_repo_id(source)
    except HFValidationError:
        return False
    return source.count("/") == 1


def _cached_models():
    """Id to MB of the models in the hub's cache that have their weights."""
    try:
        repos = scan_cache_dir(hub.HF_HUB_CACHE).repos
    except CacheNotFound:
        return {}
    found = {}
    for repo in repos:
        files = [f.file_path for r in repo.revisions for f in r.files]
        if any(path.suffix in WEIGHTS and path.exists() for path in files):
            found[repo.repo_id] = repo.size_on_disk / 1e6
    return found


def _inner_models(node, metrics, place=()):
    """Names of models in arguments of objects, with their place."""
    if place[:1] == ("judges",) and len(place) == 2:
        if metrics is not None and place[1] not in metrics:
            return  # a judge that is not asked
        tag = getattr(getattr(node, "tag", None), "value", None) or ""
        if tag.endswith("find_recognizer") and node.get("source") is None:
            yield place, DEFAULT
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if isinstance(value, str) and key in INNER:
            yield (*place, key), value
        else:
            yield from _inner_models(value, metrics, (*place, str(key)))

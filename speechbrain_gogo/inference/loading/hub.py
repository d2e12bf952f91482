"""Models of the Hugging Face hub, fetched once.

The files of a ``savedir`` are used without a request if its ``source.txt``
records that they are complete. Nothing is written then, so the folder may be
read-only and the machine offline.
"""

import logging
from pathlib import Path

logger = logging.getLogger(__name__)

RECORD = "source.txt"
# Includes the folder of SoCodec's self-supervised network.
CODEC = ("*.yaml", "*.safetensors", "*.md", "ssl/*")
SPEECH = ("*.json", "*.model", "*phones.txt", "*LICENSE*", "voice.*")
# Of SoCodec as its authors released it, without a YAML.
RELEASE = "socodec_*.safetensors", "mel_vocoder_*.safetensors"
SPEECH_FOLDERS = ("stage1/*", "stage2/*", "text/*")


def holds_model(folder):
    """Whether a folder has a model's YAML, or the two released files."""
    if (folder / "hyperparams.yaml").is_file():
        return True
    return all(any(folder.glob(name)) for name in RELEASE)


def fetch_model(source, savedir=None, speech=False, **hub_options):
    """Folder of a model from the hub; arguments are those of ``find_source``.

    Raises a ValueError if ``savedir`` has another model or is not writable, or
    the model cannot be downloaded.
    """
    wanted = f"{source} {hub_options.get('revision') or 'main'}"
    complete = "complete with speech" if speech else "complete"
    record = savedir and Path(savedir) / RECORD
    told = _read_record(record, wanted) if record else []
    if any(line.startswith(complete) for line in told[1:]):
        return record.parent
    try:
        if record and told != [wanted]:  # before a download that may be cut
            _write_record(record, wanted)
        folder = Path(_download(source, savedir, speech, hub_options))
    except Exception as error:  # its client has errors of many kinds
        if not told:
            raise ValueError(_explain(source, savedir, error)) from None
        logger.warning(
            "%s could not be asked for %s (%s): what is in %s is used.",
            "The hub",
            source,
            type(error).__name__,
            savedir,
        )
        return record.parent
    if not holds_model(folder):
        raise ValueError(_explain(source, savedir, None))
    if record:
        _write_record(record, wanted, complete)
    return folder


def _read_record(record, wanted):
    """The lines of the record of a model; none if there is no model."""
    if not holds_model(record.parent):
        return []
    told = record.read_text().splitlines() if record.is_file() else ["unknown"]
    if told[:1] != [wanted]:
        raise ValueError(
            f"savedir={record.parent} holds the model "
            f"'{''.join(told[:1])}' by its {RECORD}, not '{wanted}': choose "
            "another folder, or empty this one."
        )
    return told


def _write_record(record, *lines):
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text("\n".join(lines))


def _download(source, savedir, speech, hub_options):
    """Download missing and changed files from the hub."""
    from huggingface_hub import snapshot_download

    return snapshot_download(
        str(source),
        local_dir=savedir,
        allow_patterns=[*CODEC, *(SPEECH if speech else ())],
        ignore_patterns=None if speech else [*SPEECH_FOLDERS],
        **hub_options,
    )


def _explain(source, savedir, error):
    """Reason of a failed download."""
    if isinstance(error, PermissionError):
        return f"savedir={savedir} cannot be written to ({error.strerror})."
    reason = "no hyperparams.yaml came" if error is None else ""
    place = f", and savedir={savedir} holds none" if savedir else ""
    return (
        f"No model '{source}': neither a folder, nor bundled, nor found on "
        f"the hub ({reason or type(error).__name__}){place}. Without a "
        "network, give the folder of a model that was fetched before."
    )

"""The model card: README.md of a published model.

An existing card in the model folder is kept; only the YAML at its top, which
the hub reads, is added. Otherwise a card is written from the model, the log of
its training and the table of its evaluation.
"""

import contextlib
import json
from pathlib import Path
from typing import NamedTuple

import jinja2
from huggingface_hub import ModelCard, ModelCardData

from speechbrain_gogo.inference.files.describe import describe_codec

CARD = "README.md"
HIDDEN = "codec", "folder"  # entries that hold on this machine alone
LOG = "progress.jsonl"  # of a training
SENTENCES = "training data: ", "validation data: "
TEMPLATE = Path(__file__).parent / "model_card.jinja"


def write_card(
    folder,
    repo_id,
    codec,
    speech=None,
    run_folder=None,
    evaluation=None,
    licence="apache-2.0",
    language="en",
    revision=None,
):
    """The text of a model card.

    A README.md in the model folder is kept, below the YAML. ``repo_id`` is the
    hub id of the published model, "owner/name"; ``codec`` and ``speech`` are
    loaded from the folder, None for ``speech`` if the model does not speak.
    ``run_folder`` and ``evaluation`` are output folders of the recipe that
    trained it, and of an evaluation, with ``table.md``. ``licence`` and
    ``language`` are for the hub; ``revision`` is the tag of this version.
    """
    head = ModelCardData(
        license=licence,
        language=language,
        library_name="speechbrain",
        pipeline_tag="text-to-speech" if speech else "audio-to-audio",
        tags=["speechbrain_gogo", "speech-codec", type(codec).__name__],
    )
    path = Path(folder) / CARD
    own = path.read_text(encoding="utf-8") if path.is_file() else ""
    if own.startswith("---"):
        card = ModelCard(own, ignore_metadata_errors=True)
        told = {k: v for k, v in card.data.to_dict().items() if v is not None}
        card.data = ModelCardData(**{**head.to_dict(), **told})
        return str(card)
    if own:
        return f"---\n{head.to_yaml()}\n---\n\n{own}"
    facts = describe_codec(codec, folder)
    template = jinja2.Template(
        TEMPLATE.read_text(encoding="utf-8"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    body = template.render(
        name=repo_id.rpartition("/")[2],
        repo_id=repo_id,
        revision=f', revision="{revision}"' if revision else "",
        facts={k: v for k, v in facts.items() if k not in HIDDEN},
        interface=type(codec).__name__,
        speech_interface=type(speech).__name__,
        speaks=speech is not None,
        columns=codec.num_codebooks,
        backbone=codec.backbone_size,
        run=run_folder and read_run(run_folder),
        evaluation=evaluation and _read_table(evaluation),
        licence=licence,
    )
    return f"---\n{head.to_yaml()}\n---\n\n{body}"


def _read_table(folder):
    """The table that an evaluation has left in its output folder."""
    path = Path(folder) / "table.md"
    if not path.is_file():
        raise ValueError(
            f"{folder} has no table.md: give the output folder of an "
            "evaluation, such as that of recipes/LibriTTS/reconstruction."
        )
    return path.read_text(encoding="utf-8").strip()


class Run(NamedTuple):
    """What the output folder records about a training.

    updates: their number in the last line of the log; figures: figure of the last
    validation -> value; clips: numbers of training and validation clips used and
    skipped, list of str; curves: Path of the plot of all figures, or None. Settings
    are not read: they contain paths, and a card is public.
    """

    updates: int
    figures: dict
    clips: list
    curves: Path | None


def read_run(folder):
    """Read a recipe's output folder; None if it has no training log.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> row = '{"step": 20, "stage": "valid", "mel error keep 10": 0.512}'
    >>> _ = (folder / "progress.jsonl").write_text(row)
    >>> read_run(folder).figures
    {'mel error keep 10': 0.512}
    """
    folder = Path(folder)
    if not (folder / LOG).is_file():
        return None
    rows = []
    for line in (folder / LOG).read_text(encoding="utf-8").splitlines():
        with contextlib.suppress(json.JSONDecodeError):  # the last may be cut
            rows.append(json.loads(line))
    validations = [row for row in rows if row["stage"] == "valid"]
    last = dict(validations[-1]) if validations else {}
    figures = {k: v for k, v in last.items() if k not in ("step", "stage")}
    log, clips = folder / "train_log.txt", {}
    if log.is_file():
        for line in log.read_text(encoding="utf-8").splitlines():
            if line.startswith(SENTENCES):  # a resumed run has several
                clips[line.partition(":")[0]] = line
    curves = folder / "curves.png"
    return Run(
        max((row["step"] for row in rows), default=0),
        figures,
        list(clips.values()),
        curves if curves.is_file() else None,
    )

"""Uploading a model folder to the Hugging Face hub.

The files are copied to a temporary folder and loaded from there first, without
``trust_source``: a model that ``from_hparams`` refuses is not uploaded.
"""

import shutil
import tempfile
from fnmatch import fnmatch
from pathlib import Path, PurePath
from typing import NamedTuple

import yaml
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from huggingface_hub.utils import validate_repo_id

from speechbrain_gogo.inference.loading.export import MODEL_FILE
from speechbrain_gogo.inference.loading.export_speech import SPEECH_FILE
from speechbrain_gogo.inference.loading.hub import CODEC, SPEECH
from speechbrain_gogo.inference.loading.pretrained import yaml_nodes
from speechbrain_gogo.inference.loading.speech import can_speak
from speechbrain_gogo.inference.open_codec import open_codec
from speechbrain_gogo.inference.open_speech import open_speech
from speechbrain_gogo.inference.publishing.card import CARD, LOG, write_card

MODEL = *CODEC, *SPEECH  # what from_hparams fetches
# They have no paths; other YAMLs may have some.
YAMLS = MODEL_FILE, SPEECH_FILE
SHOWN = "*.png", "*.flac", "*.wav", "LICENSE*"  # beside the card
EXPORT = "export"  # of a recipe's output folder


class Published(NamedTuple):
    """Result of an upload, or of a dry run.

    url: page of the model; files: path in the repository -> size in bytes; card: the
    model card.
    """

    url: str
    files: dict
    card: str


def push_model(
    folder,
    repo_id,
    run_folder=None,
    evaluation=None,
    licence="apache-2.0",
    language="en",
    revision=None,
    private=False,
    dry_run=False,
    token=None,
    endpoint=None,
):
    """Publish a model, so that ``from_hparams`` loads it by ``repo_id``.

    Arguments
    ---------
    folder : str | Path
        A model folder, or the output folder of the recipe that exported it.
    repo_id : str
        "owner/name"; created if needed.
    run_folder, evaluation : str | Path
        Output folders of the training and of an evaluation, for the card; by
        default the output folder around the export, and none.
    licence, language : str
        Licence and language of the weights and of the speech, for the card.
    revision : str
        A tag for this version, the ``revision`` of ``from_hparams``.
    private : bool
        Create a private repository.
    dry_run : bool
        Upload nothing, and use no network.
    token, endpoint : str
        Token and endpoint of the hub; by default those of its settings.

    Returns
    -------
    Published

    Raises
    ------
    ValueError
        If the folder holds no model that can be loaded, the YAML names a path
        of this machine, or the hub refuses the upload.
    """
    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise ValueError(f"{repo_id} is no id of the hub: {error}") from None
    if repo_id.count("/") != 1:
        raise ValueError(f"{repo_id}: give the owner as well, owner/name.")
    model, found = find_model(folder)
    run_folder = run_folder or found
    with tempfile.TemporaryDirectory() as staged:
        staged = Path(staged) / repo_id.rpartition("/")[2]
        gather(model, staged)
        codec = open_codec(staged)
        speech = open_speech(staged) if can_speak(staged) else None
        given = repo_id, codec, speech, run_folder, evaluation
        card = write_card(staged, *given, licence, language, revision)
        (staged / CARD).write_text(card, encoding="utf-8")
        curves = run_folder and Path(run_folder) / "curves.png"
        if curves and curves.is_file():
            shutil.copy(curves, staged)
        files = {
            path.relative_to(staged).as_posix(): path.stat().st_size
            for path in sorted(staged.rglob("*"))
            if path.is_file()
        }
        api = HfApi(endpoint=endpoint, token=token)
        if not dry_run:
            _upload(api, staged, repo_id, revision, private)
    return Published(f"{api.endpoint}/{repo_id}", files, card)


def find_model(folder):
    """The model folder, and the output folder of its training or None."""
    folder = Path(folder)
    if (folder / EXPORT / MODEL_FILE).is_file():
        return folder / EXPORT, folder
    if (folder / MODEL_FILE).is_file() and not (folder / LOG).is_file():
        run = folder.resolve().parent
        return folder, run if (run / LOG).is_file() else None
    raise ValueError(
        f"{folder} holds no model: give a folder with {MODEL_FILE} and "
        f"safetensors, or a recipe's output folder with {EXPORT}/ in it."
    )


def gather(model, target):
    """Copy the files of a model, and no other files of the folder.

    A YAML that names a path of this machine is refused with a ValueError.
    """
    for path in sorted(model.rglob("*")):
        inside = path.relative_to(model)
        hidden = any(part.startswith(".") for part in inside.parts)
        other = path.suffix == ".yaml" and inside.as_posix() not in YAMLS
        if hidden or other or not path.is_file():
            continue
        if any(fnmatch(inside.as_posix(), each) for each in (*MODEL, *SHOWN)):
            (target / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target / inside)
    for path in target.glob("*.yaml"):
        root = yaml.compose(path.read_text(encoding="utf-8"))
        for node in yaml_nodes(root):
            is_text = isinstance(node, yaml.ScalarNode)
            if is_text and PurePath(node.value).is_absolute():
                raise ValueError(
                    f"{model / path.name}, line {node.start_mark.line + 1}: "
                    f"{node.value} is a path of this machine. Copy it into "
                    "the model folder, and name it from there."
                )


def _upload(api, folder, repo_id, revision, private):
    """Upload one commit, which replaces the files of the preceding version."""
    try:
        api.create_repo(repo_id, private=private, exist_ok=True)
        tags = [each.name for each in api.list_repo_refs(repo_id).tags]
        if revision in tags:
            raise ValueError(
                f"{repo_id} has a version {revision} already: versions do not "
                "change, choose another name."
            )
        commit = api.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            commit_message=f"Upload {revision or 'a model'}",
            delete_patterns=list(MODEL),
        )
        if revision is not None:
            api.create_tag(repo_id, tag=revision, revision=commit.oid)
    except (HfHubHTTPError, OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"The hub ({api.endpoint}) did not take {repo_id}: {reason} Log in "
            "with `hf auth login`, or try with --dry-run, which needs none."
        ) from None

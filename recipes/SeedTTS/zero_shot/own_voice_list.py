"""A list of sentences for a model to say in its own voice.

The sentences are those of a SpeechBrain CSV manifest, whose audio is not used. The
prompt of every task is the recording of a voice that the model comes with.

    python own_voice_list.py test.csv own_voice.lst --source gogo-mini --tasks 50
"""

import os
import random
from pathlib import Path
from typing import Annotated

import speechbrain_gogo.compatibility  # noqa: F401

import typer
from seed_tts import write_tasks

from speechbrain_gogo.dataio.manifests.reading import read_manifest
from speechbrain_gogo.inference.loading.export_speech import SPEECH_FILE
from speechbrain_gogo.inference.loading.pretrained import find_source
from speechbrain_gogo.inference.loading.speech import load_settings


def main(
    csv_path: Annotated[
        Path, typer.Argument(help="Manifest: ID, duration, wav, wrd.")
    ],
    list_path: Annotated[Path, typer.Argument(help="The list to write.")],
    source: Annotated[
        str, typer.Option(help="Folder, hub id or bundled name of the model.")
    ] = "gogo-mini",
    data_folder: Annotated[
        Path, typer.Option(help="Replaces $data_root in the manifest.")
    ] = Path(),
    shortest: Annotated[
        int, typer.Option(help="Words of the shortest sentence to use.")
    ] = 7,
    longest: Annotated[
        int, typer.Option(help="Words of the longest sentence to use.")
    ] = 14,
    tasks: Annotated[
        int | None,
        typer.Option(help="Number of sentences; by default all.", min=1),
    ] = None,
    seed: int = 0,
):
    """Let a model say sentences of a manifest in its own voice."""
    settings = load_settings(find_source(source, speech=True) / SPEECH_FILE)
    if not settings.get("voice"):
        raise ValueError(
            f"{source} has no voice of its own: make_list.py takes prompts "
            "from a manifest."
        )
    recording, said = settings["voice"]
    rows, report = read_manifest(csv_path, data_folder)
    names, left_out = choose_sentences(rows, shortest, longest)
    report.update(left_out)
    report["used"] += len(names)
    print(report)
    if len(names) < (tasks or 1):
        raise ValueError(
            f"{csv_path} has {len(names)} sentences of {shortest} to {longest} "
            f"words, {tasks or 1} are wanted."
        )
    random.Random(seed).shuffle(names)
    prompt = os.path.relpath(recording, list_path.parent.resolve())
    names = names[:tasks]
    write_tasks(
        list_path,
        (
            (name.replace("/", "_"), said, prompt, rows[name]["wrd"].strip())
            for name in names
        ),
    )
    print(f"{len(names)} tasks are in {list_path}")


def choose_sentences(rows, shortest, longest):
    """IDs of clips that say different sentences of a suitable length, in words.

    Gives IDs in order, and how many others there are, by reason.

    Example
    -------
    >>> words = {"a": "one two", "b": "one two", "c": "one", "d": "one|two"}
    >>> rows = {name: {"wrd": wrd} for name, wrd in words.items()}
    >>> choose_sentences(rows, 2, 3)
    (['a'], {'said before': 1, 'too short or too long': 2})
    """
    chosen, left_out = {}, {}
    for name in sorted(rows):
        sentence = rows[name]["wrd"].strip()
        reason = None
        if not shortest <= len(sentence.split()) <= longest:
            reason = "too short or too long"
        elif set("|\n\r") & set(name + sentence):
            reason = "a bar or a line break in it"
        elif sentence in chosen:
            reason = "said before"
        if reason:
            left_out[reason] = left_out.get(reason, 0) + 1
        else:
            chosen[sentence] = name
    return list(chosen.values()), left_out


if __name__ == "__main__":
    typer.run(main)

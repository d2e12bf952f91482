"""A list of zero-shot tasks from any SpeechBrain CSV manifest.

Clips of a speaker become prompts and targets: the task is to synthesize the text of
the target in the voice of the prompt. The choice is random, by a seed; clips that
cannot be used are counted.

    python make_list.py test.csv meta.lst --data-folder /path/to/speech
"""

import os
import random
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import speechbrain_gogo.compatibility  # noqa: F401

import typer
from seed_tts import write_tasks

from speechbrain_gogo.dataio.audio.clips import WHOLE
from speechbrain_gogo.dataio.manifests.reading import read_manifest


def main(
    csv_path: Annotated[
        Path, typer.Argument(help="Manifest: ID, duration, wav, wrd, spk_id.")
    ],
    list_path: Annotated[Path, typer.Argument(help="The list to write.")],
    data_folder: Annotated[
        Path, typer.Option(help="Replaces $data_root in the manifest.")
    ] = Path(),
    shortest: Annotated[float, typer.Option(help="Prompt, in s.")] = 3.0,
    longest: Annotated[float, typer.Option(help="Prompt, in s.")] = 8.0,
    targets: Annotated[
        int, typer.Option(help="Targets of a prompt, at most.", min=1)
    ] = 4,
    tasks: Annotated[
        int | None,
        typer.Option(help="So many, of different sentences; else all.", min=1),
    ] = None,
    seed: int = 0,
):
    """Pair prompts and targets of the same speakers."""
    rows, report = read_manifest(csv_path, data_folder)
    speakers = defaultdict(list)
    for key, row in rows.items():
        reason = reason_to_skip(row)
        if reason:
            report[reason] += 1
        else:
            speakers[row["spk_id"]].append((key, row))
    pairs = []
    for speaker in sorted(speakers):
        clips = sorted(speakers[speaker], key=lambda clip: clip[0])
        random.Random(f"{seed} {speaker}").shuffle(clips)
        found, left = pair_clips(clips, shortest, longest, targets)
        pairs += found
        report["no prompt to go with"] += left
        report["used"] += len(clips) - left
    print(report)
    if not pairs:
        raise ValueError(
            f"{csv_path} has no speaker with a clip of {shortest:g} to "
            f"{longest:g} s and another that says something else."
        )
    if tasks is not None:
        pairs = draw_pairs(pairs, tasks, seed)
    folder = list_path.parent.resolve()
    write_tasks(list_path, (task_fields(*pair, folder) for pair in pairs))
    print(f"{len(pairs)} tasks are in {list_path}")


def reason_to_skip(row):
    """Why a clip cannot be in a list, or None."""
    if not row["spk_id"]:
        return "no speaker"
    if not row["wrd"].strip():
        return "no words"
    if set("|\n\r") & set(row["wrd"] + row["wav"]):
        return "a bar or a line break in it"
    if row["samples"] != WHOLE:
        return "a part of a file"
    if not os.path.isfile(row["wav"]):
        return "missing file"
    return None


def pair_clips(clips, shortest, longest, targets):
    """Prompts and targets among one speaker's clips, which are in random order.

    The first clip of a suitable length (seconds) is a prompt, the next clips
    are its targets; this is repeated with the remaining clips. Clips are IDs
    with rows of the manifest. Gives pairs of prompt and target, and how many
    clips are in none.

    Example
    -------
    >>> clips = [(name, {"duration": 4, "wrd": name}) for name in "abcde"]
    >>> pairs, left = pair_clips(clips, 3, 8, targets=2)
    >>> [prompt[0] + target[0] for prompt, target in pairs], left
    (['ab', 'ac', 'de'], 0)
    """
    pairs, clips = [], list(clips)
    while True:
        prompt = next(
            (c for c in clips if shortest <= c[1]["duration"] <= longest), None
        )
        if prompt is None:
            return pairs, len(clips)
        others = [c for c in clips if c[1]["wrd"] != prompt[1]["wrd"]]
        others = others[:targets]
        if not others:
            return pairs, len(clips)
        pairs += [(prompt, other) for other in others]
        clips = [clip for clip in clips if clip not in (prompt, *others)]


def draw_pairs(pairs, number, seed):
    """A random sample of pairs, with different texts; an error if there are too few.

    Example
    -------
    >>> pairs = [(("a", {}), (n, {"wrd": n[0]})) for n in ("x1", "x2", "y")]
    >>> sorted(target["wrd"] for _, (_, target) in draw_pairs(pairs, 2, 0))
    ['x', 'y']
    """
    pairs = list(pairs)
    random.Random(seed).shuffle(pairs)
    by_sentence = {}
    for pair in pairs:
        by_sentence.setdefault(pair[1][1]["wrd"], pair)
    if len(by_sentence) < number:
        raise ValueError(
            f"{number} tasks are wanted; there are {len(by_sentence)} that say "
            "something else each."
        )
    return list(by_sentence.values())[:number]


def task_fields(prompt, target, folder):
    """A line of the list, with paths relative to its folder."""
    (prompt_id, said), (target_id, row) = prompt, target
    audio = [os.path.relpath(clip["wav"], folder) for clip in (said, row)]
    name = f"{prompt_id}-{target_id}".replace("/", "_")
    return name, said["wrd"], audio[0], row["wrd"], audio[1]


if __name__ == "__main__":
    typer.run(main)

"""A listening test for SMOS and CMOS as one page for a browser (Appendix G).

Raters compare the speech of every system with the prompt (SMOS, 1 to 5: how similar
are the speakers?) and with that of the reference system (CMOS, -3 to 3: which is
better?). The page does not contain the names of systems: key.json does, and is
needed to read the answers.

    python listening_test.py results/listening meta.lst \
        --system GogoSpeech=speech/GogoSpeech --system Other=other_folder
"""

import base64
import hashlib
import io
import json
import random
import sys
from pathlib import Path
from typing import Annotated

sys.path.append(str(Path(__file__).resolve().parents[3]))

import speechbrain_gogo.compatibility  # noqa: F401

import jinja2
import soundfile
import typer
from folders import find_files
from seed_tts import read_tasks

from recipes.common.evaluation.results_file import hash_files
from speechbrain_gogo.dataio.audio.files import read_audio

RATE = 24000


def main(
    output_folder: Annotated[
        Path, typer.Argument(help="For listening_test.html and key.json.")
    ],
    list_path: Annotated[
        Path, typer.Argument(help="Tasks, as evaluate.py reads them.")
    ],
    system: Annotated[
        list[str],
        typer.Option(help="NAME=FOLDER with <utterance>.wav; several times."),
    ],
    reference: Annotated[
        str,
        typer.Option(
            help="What CMOS compares with: the list's recordings, else the "
            "first system, by default."
        ),
    ] = None,
    samples: Annotated[
        int, typer.Option(help="Utterances, drawn by the seed.", min=1)
    ] = 20,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.")] = 0,
    title: str = "Listening test",
    embed: Annotated[
        bool, typer.Option(help="Audio in the page, or in a separate folder.")
    ] = True,
):
    """Write the page for the raters, and the key to their answers."""
    tasks = read_tasks(list_path)
    systems = find_files(tasks, read_systems(system))
    reference = reference or next(iter(systems))
    if reference not in systems or len(systems) < 2:
        raise ValueError(
            f"A test compares two systems or more with one of them: there are "
            f"{', '.join(systems)}, and the reference is {reference}."
        )
    draw = random.Random(seed)
    chosen = draw.sample(tasks, min(samples, len(tasks)))
    items = draw_items(chosen, systems, reference, draw)
    audio = name_audio(items, draw)
    output_folder.mkdir(parents=True, exist_ok=True)
    sources = {
        name: audio_source(name, path, output_folder, embed)
        for path, name in audio.items()
    }
    key = make_key(items, audio, systems, reference, seed)
    shown = [
        {
            "id": item["id"],
            "kind": item["kind"],
            "audio": [audio[path] for path in item["audio"]],
        }
        for item in items
    ]
    page = output_folder / "listening_test.html"
    data = {"test": key["test"], "seed": seed, "items": shown, "audio": sources}
    page.write_text(render(title, data), "utf-8")
    text = json.dumps(key, indent=2, ensure_ascii=False)
    (output_folder / "key.json").write_text(text + "\n", "utf-8")
    print(
        f"{len(items)} ratings a listener, {page.stat().st_size / 1e6:.1f} MB: "
        f"{page}. Keep key.json to yourself."
    )


def read_systems(given):
    """NAME=FOLDER pairs as a dict."""
    pairs = [text.partition("=")[::2] for text in given]
    names = [name for name, _ in pairs]
    if not all(name and folder for name, folder in pairs):
        raise ValueError(f"A system is given as NAME=FOLDER, not {given}.")
    if len(set(names)) < len(names):
        raise ValueError(f"Two systems have the same name: {names}.")
    return dict(pairs)


def draw_items(tasks, systems, reference, draw):
    """All items to rate, in random order.

    ``systems`` maps labels to task names to audio files; CMOS compares with the
    label ``reference``. An item has "id", "kind", "task", "system", "audio"
    (prompt and speech, or two that are compared) and, if of a pair,
    "reference_first".
    """
    items = []
    for label, files in systems.items():
        # Half of a system's pairs have the reference first.
        first = [place % 2 == 0 for place in range(len(tasks))]
        draw.shuffle(first)
        for task, reference_first in zip(tasks, first):
            speech, known = files[task.name], {"task": task.name}
            known["system"] = label
            pair = [task.prompt_wav, speech]
            items.append({"kind": "smos", **known, "audio": pair})
            if label == reference:
                continue
            pair = [systems[reference][task.name], speech]
            pair = pair if reference_first else pair[::-1]
            known["reference_first"] = reference_first
            items.append({"kind": "cmos", **known, "audio": pair})
    draw.shuffle(items)
    return [{"id": f"i{n:04d}", **item} for n, item in enumerate(items)]


def make_key(items, audio, systems, reference, seed):
    """The key to the answers; "test" identifies the test."""
    secrets = {}
    for item in items:
        files = [str(path) for path in item["audio"]]
        secrets[item["id"]] = {**item, "audio": files}
    key = {
        "seed": seed,
        "reference": reference,
        "systems": list(systems),
        "items": secrets,
    }
    metadata = json.dumps(key) + hash_files(audio)
    return {"test": hashlib.sha256(metadata.encode()).hexdigest()[:12], **key}


def name_audio(items, draw):
    """Map each file to a name that does not identify it."""
    files = list(
        dict.fromkeys(path for item in items for path in item["audio"])
    )
    draw.shuffle(files)
    return {path: f"a{number:04d}" for number, path in enumerate(files)}


def audio_source(name, path, folder, embed):
    """Write an audio file for the page, lossless and at one rate."""
    wav = read_audio(path, RATE).clamp(-1, 1).numpy()
    if embed:
        flac = io.BytesIO()
        soundfile.write(flac, wav, RATE, format="FLAC")
        coded = base64.b64encode(flac.getvalue()).decode()
        return f"data:audio/flac;base64,{coded}"
    (folder / "audio").mkdir(exist_ok=True)
    soundfile.write(folder / "audio" / f"{name}.flac", wav, RATE)
    return f"audio/{name}.flac"


def render(title, data):
    """The page's HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    template = environment.get_template("listening_page.html")
    return template.render(title=title, data=data)


if __name__ == "__main__":
    typer.run(main)

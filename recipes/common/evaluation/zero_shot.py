"""Zero-shot speech of any text to speech on a manifest, judged.

Every text is spoken in the voice of another clip of the manifest. After an
interruption, the same command continues.
"""

import random
from pathlib import Path

import soundfile
from tqdm import tqdm

from recipes.common.evaluation.report import summarize
from recipes.common.evaluation.results_file import (
    ResultsFile,
    hash_model,
    hash_utterances,
)
from recipes.common.settings import parse_arguments
from speechbrain_gogo.dataio.audio.clips import read_clip
from speechbrain_gogo.dataio.manifests.reading import read_complete_manifest
from speechbrain_gogo.inference import open_speech
from speechbrain_gogo.inference.loading.pretrained import find_source
from speechbrain_gogo.metrics.reports.tables import markdown_table
from speechbrain_gogo.metrics.speech_metric import Figure

FINISHED = Figure("finished (%)", "finished", scale=100)


def pair(rows, seed):
    """A prompt for each clip, ID -> ID: another one of the manifest."""
    keys = sorted(rows)
    if len(keys) < 2:
        raise ValueError(
            "A test set needs two clips: one is the other's voice."
        )
    shuffled = random.Random(seed).sample(keys, len(keys))
    return dict(zip(shuffled, shuffled[1:] + shuffled[:1]))


def speak(speech, text, prompt, path, seed):
    """Say a text into a file; gives the samples and whether it came to an end.

    ``prompt`` is the voice, [T] at the model's rate, and what it says.
    """
    said = speech.clone_voice(text, *prompt, seed=seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Where nothing was said the judges get a second of silence.
    wav = said.wav if len(said.wav) else said.wav.new_zeros(said.sample_rate)
    soundfile.write(path, wav.clamp(-1, 1).numpy(), said.sample_rate)
    return wav, said.finished


def evaluate(hparams, run_opts):
    """Speak and judge what is not yet judged.

    Gives label -> list of results, one for each text; and the judges.
    """
    rows = read_complete_manifest(hparams["test_csv"], hparams["data_folder"])
    prompts = pair(rows, hparams["seed"])
    some = sorted(rows)[: hparams["max_utterances"]]
    judges = [hparams["judges"][name]() for name in hparams["metrics"]]
    columns = [column for judge in judges for column in judge.columns]
    models = {
        name: open_speech(source, run_opts=run_opts)
        for name, source in hparams["models"].items()
    }
    folder = Path(hparams["output_folder"])
    settings = {
        "seed": hparams["seed"],
        "judges": [judge.judge for judge in judges],
        **hash_utterances(rows),
    }
    systems = {
        name: {
            "model": hash_model(find_source(source, speech=True)),
            "precision": models[name].codec.precision,
        }
        for name, source in hparams["models"].items()
    }
    results = ResultsFile(folder, [*columns, "finished"], settings, systems)
    for name, speech in models.items():
        for key in tqdm(some, desc=name, dynamic_ncols=True):
            if (key, name) in results.rows:
                continue
            text, prompt = rows[key]["wrd"], rows[prompts[key]]
            target = read_clip(
                prompt["wav"], speech.sample_rate, prompt["samples"]
            )
            path = folder / "speech" / name / f"{key}.wav"
            voice = target, prompt["wrd"]
            wav, finished = speak(speech, text, voice, path, hparams["seed"])
            values = {"finished": float(finished)}
            for judge in judges:
                values |= judge.measure(wav, target, text)
            results.append(key, name, values)
    measured = {n: [results.rows[key, n] for key in some] for n in models}
    return measured, judges


def speak_and_judge(arguments):
    """Evaluate as the YAML of a command line says, and write a table."""
    settings = parse_arguments(arguments)
    hparams, run_opts = settings.load(), settings.run_opts
    if not hparams["models"]:
        raise ValueError(
            'No model to evaluate: give --models "{NAME: FOLDER}".'
        )
    measured, judges = evaluate(hparams, run_opts)
    figures = [*(f for judge in judges for f in judge.figures), FINISHED]
    summary = summarize(measured, figures, hparams["bootstrap_seed"])
    lines = []
    for name in measured:
        cells = [summary[name, figure.label] for figure in figures]
        lines.append(
            [
                name,
                *(f"{v:.3g} [{low:.3g}, {high:.3g}]" for v, low, high in cells),
            ]
        )
    table = markdown_table(["model", *(f.label for f in figures)], lines)
    notes = "".join(f"- {judge.judge}\n" for judge in judges)
    path = Path(hparams["output_folder"]) / "table.md"
    path.write_text(f"{table}\n{notes}", encoding="utf-8")
    print(table)
    print(f"Results are in {hparams['output_folder']}")

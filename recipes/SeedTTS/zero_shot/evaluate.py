"""Evaluate zero-shot speech of a model on a list of tasks: Table 3.

It synthesizes with the codec's allocator and without it, evaluates utterances
and long forms by the judges that the YAML names, and measures the speed. A
killed evaluation resumes; a missing or broken audio file is an error.

    python evaluate.py hparams/offline.yaml --source my_speech_model \
        --meta_list meta.lst
"""

import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

import speechbrain_gogo.compatibility  # noqa: F401

import torch
from folders import RECORDED, check_labels, find_files, folder_name, hash_audio
from judging import judge, long_cases, single_cases
from seed_tts import read_tasks
from synthesis import (
    real_time_factor,
    summarize_speech,
    synthesize,
    unspoken_notes,
)
from table import write_reports, write_samples

from recipes.common.evaluation.report import (
    list_unscored,
    read_published,
    summarize,
)
from recipes.common.evaluation.results_file import hash_files, hash_model
from recipes.common.settings import parse_arguments
from speechbrain_gogo.inference import open_speech
from speechbrain_gogo.inference.loading.pretrained import find_source
from speechbrain_gogo.lobes.nn.precision import full_precision
from speechbrain_gogo.metrics.timing import Clock, device_name

ALLOCATED = " w/ allocator"
DAGGER = " †"


def speak(speech, tasks, hparams, folder):
    """Synthesize all tasks.

    Gives label -> whether the allocator is used, ResultsFile, settings. It is
    an error if the allocator is requested and there is none.
    """
    wanted = hparams["allocate"]
    if wanted is None:
        wanted = [False, True] if speech.allocates else [False]
    if any(wanted) and not speech.allocates:
        raise ValueError(
            f"{hparams['source']} has no token allocator: train one, or leave "
            "out --allocate."
        )
    name = type(speech).__name__
    systems = {name + ALLOCATED * each: each for each in wanted}
    check_labels([*systems, *hparams["other_systems"]])
    settings = {
        "model": hash_model(find_source(hparams["source"], speech=True)),
        "list": hash_files([Path(hparams["meta_list"])]),
        "precision": speech.codec.precision,
        "seed": hparams["seed"],
        "sampling": hparams["sampling"],
        "sample_rate": hparams["sample_rate"],
    }
    size = hparams["batch_size"]
    results = synthesize(speech, tasks, systems, folder, settings, size)
    return systems, results, settings


def measure_speed(speech, task, systems, hparams, folder):
    """Real-time factors by label, and a note on the measurement.

    Those in ``folder`` are not measured again. The task gives the prompt;
    without one nothing is measured. ``systems`` maps labels to whether the
    allocator is used.
    """
    path, trials = folder / "speed.json", hparams["rtf_trials"]
    device, threads = speech.codec.device, hparams["num_threads"]
    clock = Clock(device, threads)
    note = (
        f"RTF: a sentence of 47 characters, {clock.name} over length of "
        f"{trials} trials after one that warms up, on {device_name(device)}, "
        f"{speech.codec.precision}"
        f"{f', {threads} thread(s)' if device == 'cpu' else ''}."
    )
    found = json.loads(path.read_text()) if path.is_file() else {}
    if found.get("note") != note:
        found = {"note": note, "trials": {}}
    for label, allocate in systems.items():
        if task and trials and label not in found["trials"]:
            found["trials"][label] = real_time_factor(
                speech, task, allocate, trials, clock, hparams
            )
            path.write_text(json.dumps(found, indent=2) + "\n")
    factors = {
        label: each["computing"] / max(each["audio"], 1e-9)
        for label, each in found["trials"].items()
        if label in systems
    }
    return factors, note


def listen(tasks, systems, spoken, judges, settings, foreign, hparams):
    """Scores of utterances and of long forms.

    ``systems`` has the audio files of each system, by its label and by task.
    ``spoken`` has the labels of the systems that depend on ``settings``;
    ``foreign`` has hashes of the audio of the others. Returns a dict of (value,
    low, high) by (system, figure), and notes on long forms and on figures that
    are missing.
    """
    folder = Path(hparams["output_folder"])
    # Neither changes when other systems join later.
    deciding = RECORDED if RECORDED in systems else next(iter(spoken))
    seconds, rate = hparams["long_form_seconds"], hparams["sample_rate"]
    longs, lengths = long_cases(tasks, systems[deciding], seconds, rate)
    figures = [figure for judge in judges for figure in judge.figures]
    summary, notes = {}, []
    for place, mark, cases, decided in (
        ("utterances", "", single_cases(tasks), {}),
        ("long_form", DAGGER, longs, {"longer": seconds, "by": deciding}),
    ):
        if not cases:
            continue
        rows = judge(
            cases,
            systems,
            judges,
            folder / place,
            settings | decided,
            foreign,
            hparams,
        )
        found = summarize(rows, figures, hparams["bootstrap_seed"])
        for (label, figure), value in found.items():
            summary[label, figure + mark] = value
        notes += [mark.strip() + note for note in list_unscored(rows)]
    over = sum(length > 30 for length in lengths)
    return summary, [
        f"†: all utterances of a prompt in one piece, where that is longer "
        f"than {seconds:g} s in the row {deciding}: {len(longs)} pieces, "
        f"{over} of them over 30 s.",
        *notes,
    ]


def evaluate(speech, judges, hparams):
    """Synthesize, evaluate, write the reports.

    Gives (system, figure) -> (value, low, high).
    """
    folder, others = Path(hparams["output_folder"]), hparams["other_systems"]
    listed = read_tasks(hparams["meta_list"], hparams["expected_utterances"])
    tasks = listed[: hparams["max_utterances"]]
    find_files(tasks, others)  # before hours of speaking
    foreign = hash_audio(listed, others)
    spoken, results, settings = speak(speech, tasks, hparams, folder / "speech")
    ours = {label: folder / "speech" / folder_name(label) for label in spoken}
    systems = find_files(tasks, others | ours)
    write_samples(tasks[: hparams["num_samples"]], systems, folder / "samples")
    heard, notes = listen(
        tasks, systems, spoken, judges, settings, foreign, hparams
    )
    rows = {
        label: [results.rows[task.name, label] for task in tasks]
        for label in spoken
    }
    said = summarize_speech(rows, hparams["bootstrap_seed"])
    speakable = (
        task
        for place, task in enumerate(tasks)
        if not any(of_label[place]["unspoken"] for of_label in rows.values())
    )
    speeds, speed_note = measure_speed(
        speech, next(speakable, None), spoken, hparams, folder
    )
    speeds = {(label, "RTF"): (rtf,) * 3 for label, rtf in speeds.items()}
    notes += [speed_note] if speeds else []
    notes += unspoken_notes(rows)
    summary = said | heard | speeds
    write_reports(summary, list(systems), notes, tasks, judges, hparams)
    return summary


def main(arguments):
    """Run the evaluation."""
    settings = parse_arguments(arguments)
    hparams, run_opts = settings.load(), settings.run_opts
    published = read_published(settings.file, hparams["published"])
    hparams["published"] = published
    torch.set_num_threads(hparams["num_threads"])
    judges = [hparams["judges"][name]() for name in hparams["metrics"]]
    speech = open_speech(hparams["source"], run_opts=run_opts)
    # No TF32. The language models compute in the precision of the run options.
    with full_precision(torch.device(speech.codec.device).type):
        evaluate(speech, judges, hparams)
    print(f"Results are in {hparams['output_folder']}")


if __name__ == "__main__":
    main(sys.argv[1:])

"""Synthesizes the tasks of a list, one audio file each.

A killed synthesis resumes: the audio of a task is written before its row. If a task
cannot be synthesized, its file is a second of silence, which is judged like speech.
"""

import torch
from folders import folder_name
from speechbrain.dataio.audio_io import save
from tqdm import tqdm

from recipes.common.evaluation.report import summarize
from recipes.common.evaluation.results_file import ResultsFile
from speechbrain_gogo.dataio.audio.waveform import AudioError
from speechbrain_gogo.dataio.replacing import replaced_when_complete
from speechbrain_gogo.metrics.speech_metric import Figure
from speechbrain_gogo.metrics.timing import SENTENCE, mean_seconds

COLUMNS = "seconds", "tokens", "finished", "unspoken"
TOKEN_RATE = Figure("tokens/s", "tokens", per="seconds")
FINISHED = Figure("finished (%)", "finished", scale=100)


def synthesize(speech, tasks, systems, folder, settings, batch_size):
    """Synthesize the tasks that have no row yet, for each system.

    ``systems`` maps labels to whether the allocator is used. The folder is for
    results.csv and a folder of audio per system. ``settings`` are "seed",
    "sampling", and everything else that decides the speech. Gives a ResultsFile
    with ``COLUMNS``. It is an error if a prompt's audio cannot be used, or no
    task can be spoken.
    """
    asked = {label: {"allocate": systems[label]} for label in systems}
    results = ResultsFile(folder, list(COLUMNS), settings, asked)
    progress = tqdm(
        total=len(tasks) * len(systems), desc="speaking", dynamic_ncols=True
    )
    for label, allocate in systems.items():
        todo = [
            (place, task)
            for place, task in enumerate(tasks)
            if (task.name, label) not in results.rows
        ]
        progress.update(len(tasks) - len(todo))
        for first in range(0, len(todo), batch_size):
            some = todo[first : first + batch_size]
            _say(speech, some, label, allocate, results, settings)
            progress.update(len(some))
    progress.close()
    reasons = [row["unspoken"] for row in results.rows.values()]
    if all(reasons):
        raise ValueError(
            "No task can be spoken; the reason of the last one: " + reasons[-1]
        )
    return results


def summarize_speech(rows, seed):
    """Token rate of the tasks with speech, and share of finished tasks of all.

    Gives (system, figure) -> (value, low, high), for rows of :func:`synthesize`
    by label.
    """
    heard = {
        label: [row for row in some if not row["unspoken"]]
        for label, some in rows.items()
    }
    heard = {label: some for label, some in heard.items() if some}
    return summarize(heard, [TOKEN_RATE], seed) | summarize(
        rows, [FINISHED], seed
    )


def unspoken_notes(rows):
    """Number of tasks without speech, with a reason, for each system."""
    notes = []
    for label, some in rows.items():
        reasons = [row["unspoken"] for row in some if row["unspoken"]]
        if reasons:
            notes.append(
                f"{label}: {len(reasons)} tasks without speech, judged as a "
                f"second of silence; the first: {reasons[0]}"
            )
    return notes


def real_time_factor(speech, task, allocate, trials, clock, settings):
    """Seconds of computing and of audio, means of trials by Table 3's protocol.

    The sentence of 47 characters is said after the task's prompt; each trial
    has its own seed.
    """
    samples = []

    def trial():
        said = speech.clone_voice(
            SENTENCE,
            task.prompt_wav,
            task.prompt_text,
            allocate=allocate,
            seed=settings["seed"] + len(samples),
            **settings["sampling"],
        )
        samples.append(len(said.wav))

    computing = mean_seconds(trial, trials, clock, "speed")
    audio = sum(samples[1:]) / trials / speech.sample_rate  # not the warm-up
    return {"computing": computing, "audio": audio}


def _say(speech, some, label, allocate, results, settings):
    """One batch: audio first, rows afterwards."""
    refusals = {task.name: _refusal(speech, task) for _, task in some}
    requests = [
        {
            "text": task.text,
            "prompt_wav": task.prompt_wav,
            "prompt_text": task.prompt_text,
            # Depends on the place in the list, not on the batch.
            "seed": settings["seed"] + place,
        }
        for place, task in some
        if not refusals[task.name]
    ]
    said = iter(
        speech.clone_voice_batch(requests, allocate, **settings["sampling"])
    )
    for _, task in some:
        reason = refusals[task.name]
        one = None if reason else next(said)
        if one is not None and not len(one.wav):
            reason = "no speech came"
        path = results.path.parent / folder_name(label) / f"{task.name}.wav"
        wav = torch.zeros(speech.sample_rate) if reason else one.wav.cpu()
        write_audio(path, wav, speech.sample_rate)
        row = {
            "seconds": 0 if reason else len(wav) / speech.sample_rate,
            "tokens": 0 if reason else int(one.budgets.sum()),
            "finished": int(not reason and one.finished),
            "unspoken": reason,
        }
        results.append(task.name, label, row)


def _refusal(speech, task):
    """Why a task cannot be synthesized, "" if it can; broken audio raises."""
    try:
        speech.check_request(task.text, task.prompt_wav, task.prompt_text)
    except AudioError:
        raise
    except ValueError as error:
        return str(error)
    return ""


def write_audio(path, wav, rate):
    """Write audio; the file appears when it is complete."""
    with replaced_when_complete(path) as partial:
        save(partial, wav.clamp(-1, 1), rate)

"""Evaluation of folders of speech, as utterances and as long forms.

A system is a folder with one audio file per task. A long form (the dagger in
the paper's tables) is the concatenation of all utterances of a system with one
prompt.
"""

from itertools import groupby, product

import torch
from scipy.signal import resample

from recipes.common.evaluation.results_file import ResultsFile
from speechbrain_gogo.dataio.audio.files import open_audio, read_audio
from speechbrain_gogo.metrics.panel import UNSCORED, judge_utterances


def read_speech(path, rate):
    """Read a file for judges, [T], with its full bandwidth.

    Judges resample it to their rates. The protocol resamples in the frequency
    domain, which keeps the whole band; the usual short filters would attenuate
    the highest frequencies of files of 16 kHz.
    """
    with open_audio(path) as sound:
        own_rate = sound.sample_rate
    wav = read_audio(path, own_rate)
    if own_rate == rate:
        return wav
    length = round(len(wav) * rate / own_rate)
    return torch.from_numpy(resample(wav.numpy(), length))


class Case:
    """The audio of one judgement: one task, or all tasks of a prompt."""

    def __init__(self, name, tasks):
        self.name = name
        self.tasks = tasks
        self.text = " ".join(task.text for task in tasks)

    def read(self, files, rate):
        """A system's speech, with all tasks concatenated, [T]."""
        wavs = [read_speech(files[task.name], rate) for task in self.tasks]
        return torch.cat(wavs)

    def read_prompt(self, rate):
        """The prompt, [T]."""
        return read_speech(self.tasks[0].prompt_wav, rate)


def single_cases(tasks):
    """Each task on its own."""
    return [Case(task.name, [task]) for task in tasks]


def long_cases(tasks, files, seconds, rate):
    """Concatenated tasks of each prompt, if they are longer than ``seconds``.

    ``files`` maps task names to audio files of the system whose durations
    select the cases, so that all systems have the same cases. Gives cases, and
    the duration of each in seconds.
    """
    cases, lengths = [], []

    def prompt(task):
        return str(task.prompt_wav)

    for _, group in groupby(sorted(tasks, key=prompt), key=prompt):
        group = list(group)
        case = Case(f"{group[0].name} and {len(group) - 1} more", group)
        length = len(case.read(files, rate)) / rate
        if length > seconds:
            cases.append(case)
            lengths.append(length)
    return cases, lengths


def judge(cases, systems, judges, folder, settings, foreign, hparams):
    """Compute the scores that results.csv does not have.

    ``systems`` maps labels to task names to audio files. The reference is the
    prompt. ``settings`` are those on which the scores depend; ``foreign`` has
    hashes of the audio of systems that do not depend on them. Gives label ->
    rows, in the order of the cases.
    """
    columns = [column for judge in judges for column in judge.columns]
    columns.append(UNSCORED)
    settings = {**settings, "judges": [judge.judge for judge in judges]}
    known = {label: {"audio": foreign.get(label)} for label in systems}
    results = ResultsFile(folder, columns, settings, known)
    rate = hparams["sample_rate"]

    def audible():
        for case, label in product(cases, systems):
            if (case.name, label) in results.rows:
                continue
            # Arrays: tensors would be passed as files in shared memory.
            wav = case.read(systems[label], rate).numpy()
            prompt = case.read_prompt(rate).numpy()
            yield (case.name, label), wav, prompt, case.text

    workers, size = hparams["num_workers"], hparams["judge_batch_size"]
    judged = judge_utterances(judges, audible(), workers, size)
    names = [case.name for case in cases]
    return results.complete(judged, names, systems, folder.name)

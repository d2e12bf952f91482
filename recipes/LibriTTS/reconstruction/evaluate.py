"""Reconstruct a test set with codecs at several rates, and evaluate it.

Section 4.2 and Table 1 of the Gogo paper, by the judges that the YAML names. A
killed evaluation resumes; a missing or broken audio file is an error, since a
table over fewer utterances would not be comparable.

    python evaluate.py hparams/offline.yaml --source gogo-mini \
        --test_csv test.csv --data_folder /path/to/speech
"""

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

import speechbrain_gogo.compatibility  # noqa: F401

import torch
from speechbrain.dataio.audio_io import save
from torchaudio.functional import resample

from recipes.common.evaluation.report import read_published, write_reports
from recipes.common.evaluation.results_file import ResultsFile, hash_utterances
from recipes.common.settings import parse_arguments
from speechbrain_gogo.dataio.audio.clips import read_clip
from speechbrain_gogo.dataio.audio.waveform import check_finite
from speechbrain_gogo.dataio.ids import file_name
from speechbrain_gogo.dataio.manifests.reading import read_complete_manifest
from speechbrain_gogo.lobes.nn.precision import full_precision
from speechbrain_gogo.metrics.panel import UNSCORED, judge_utterances
from speechbrain_gogo.metrics.recognition.transcripts import find_normalizer

ORIGINAL = "original"


@dataclass(frozen=True)
class Row:
    """A row of the table: a system with options.

    The options are arguments of its ``rate`` and ``reconstruct``. The original
    recordings have no system.
    """

    system: object = None
    options: dict | None = None

    def rate(self):
        """Rates of the row, None if it has no tokens."""
        return self.system and self.system.rate(**self.options)

    def reconstruct(self, key, wav, sample_rate):
        """Utterance ``key``, [T] -> about [T], both at ``sample_rate``."""
        if self.system is None:
            return wav
        chosen = {
            name: value[key] if isinstance(value, dict) else value
            for name, value in self.options.items()
        }
        rate = self.system.sample_rate
        wavs = resample(wav.unsqueeze(0), sample_rate, rate)
        decoded = self.system.reconstruct(wavs, **chosen)[0].cpu()
        return resample(decoded, rate, sample_rate)


def read_test_set(hparams):
    """The rows of the manifest, ID -> row.

    A missing file, a row that cannot be used, or a number of rows that is not
    the expected one is an error.
    """
    path = hparams["test_csv"]
    rows = read_complete_manifest(path, hparams["data_folder"])
    expected = hparams["expected_utterances"]
    if expected is not None and len(rows) != expected:
        raise ValueError(
            f"{path} has {len(rows)} utterances, expected_utterances says "
            f"{expected}."
        )
    missing = [r["wav"] for r in rows.values() if not os.path.isfile(r["wav"])]
    if missing or not rows:
        raise ValueError(
            f"{path}: {len(missing)} of {len(rows)} audio files are missing, "
            f"the first: {(missing or ['none listed'])[0]}. Is data_folder "
            f"({hparams['data_folder']}) right?"
        )
    return rows


def check_transcripts(judges, utterances):
    """Raise an error if an utterance of the test set has no words."""
    for judge in judges:
        if not hasattr(judge, "normalizer"):
            continue
        normalize = find_normalizer(judge.normalizer)
        for key, row in utterances.items():
            if not normalize(row["wrd"] or ""):
                raise ValueError(
                    f"{key}: its transcript {row['wrd']!r} has no words that "
                    "word errors could be counted by."
                )


def list_rows(systems, utterances):
    """The rows to compare: label -> :class:`Row`, the original first."""
    names = [system.name for system in systems]
    if len(set(names)) < len(names):
        raise ValueError(f"Two systems have one name: {names}.")
    rows = {ORIGINAL: Row()}
    for system in systems:
        for label, options in system.rows(utterances).items():
            rows[f"{system.name}, {label}"] = Row(system, options)
    return rows


def reconstructions(rows, utterances, sample_rate, done, samples):
    """Cases for the judges, without the (ID, label) pairs of ``done``.

    Yields (ID, label), reconstruction [T], original [T] and transcript.
    ``samples`` maps IDs to folders, for utterances to be written as audio.
    """
    for key, utterance in utterances.items():
        todo = [label for label in rows if (key, label) not in done]
        if not todo:
            continue
        target = read_clip(utterance["wav"], sample_rate, utterance["samples"])
        for label in todo:
            predict = rows[label].reconstruct(key, target, sample_rate)
            check_finite(predict, f"{label} of {key}")
            length = min(len(predict), len(target))
            predict = predict[:length]
            if key in samples:
                samples[key].mkdir(parents=True, exist_ok=True)
                name = re.sub(r"[^\w.-]+", "_", label)
                path = samples[key] / f"{name}.wav"
                save(path, predict.clamp(-1, 1), sample_rate)
            # Arrays: tensors would be passed as files in shared memory.
            pair = predict.numpy(), target[:length].numpy()
            yield (key, label), *pair, utterance["wrd"]


def evaluate(systems, judges, hparams):
    """Measure the remaining cases, then write the reports.

    Systems are objects of GogoSystem, or others with its interface. Gives (row,
    figure) -> (value, low, high). A reference that is no row is an error.
    """
    folder = Path(hparams["output_folder"])
    listed = read_test_set(hparams)
    utterances = dict(list(listed.items())[: hparams["max_utterances"]])
    check_transcripts(judges, utterances)
    rows, reference = list_rows(systems, utterances), hparams["reference"]
    if reference is not None and reference not in rows:
        raise ValueError(
            f"reference: {reference!r} is none of the rows {list(rows)}."
        )
    results = ResultsFile(
        folder,
        [column for judge in judges for column in judge.columns] + [UNSCORED],
        {
            "test_csv": Path(hparams["test_csv"]).name,
            "judges": [judge.judge for judge in judges],
            "sample_rate": hparams["sample_rate"],
            **hash_utterances(listed),  # of all: their number may change
        },
        {system.name: system.settings for system in systems},
    )
    heard = list(utterances)[: hparams["num_samples"]]  # the first, unchosen
    samples = {key: folder / "samples" / file_name(key) for key in heard}
    cases = reconstructions(
        rows, utterances, hparams["sample_rate"], results.rows, samples
    )
    judged = judge_utterances(
        judges, cases, hparams["num_workers"], hparams["judge_batch_size"]
    )
    measured = results.complete(judged, utterances, rows)
    return write_reports(folder, rows, measured, judges, utterances, hparams)


def main(arguments):
    """Run the evaluation."""
    settings = parse_arguments(arguments)
    hparams, run_opts = settings.load(), settings.run_opts
    published = read_published(settings.file, hparams["published"])
    hparams["published"] = published
    torch.set_num_threads(hparams["codec_threads"])
    judges = [hparams["judges"][name]() for name in hparams["metrics"]]
    makers = {"gogo": hparams["gogo"], **hparams["baselines"]}
    names = hparams["systems"]
    unknown = set(names) - set(makers)
    if unknown:
        raise ValueError(f"No systems {unknown}: there are {list(makers)}.")
    systems = [makers[name](run_opts=run_opts) for name in names]
    kind = torch.device((run_opts or {}).get("device") or "cpu").type
    with full_precision(kind):  # of baselines, too: no TF32
        evaluate(systems, judges, hparams)
    print(f"Results are in {hparams['output_folder']}")


if __name__ == "__main__":
    main(sys.argv[1:])

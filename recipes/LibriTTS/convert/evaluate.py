#!/usr/bin/env python3
"""What Stage II makes of recordings: other voices, or less noise.

    python evaluate.py hparams/convert.yaml --source my_speech_model \
        --test_csv test.csv --data_folder /path/to/speech

After an interruption, the same command continues. See the README in this folder.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

import speechbrain_gogo.compatibility  # noqa: F401

import torch
from conversion_report import write_reports
from versions import RECORDED, Versions
from voices import choose_prompts

from recipes.common.disturbances import identities, list_versions
from recipes.common.evaluation.results_file import (
    ResultsFile,
    hash_model,
    hash_utterances,
)
from recipes.common.settings import parse_arguments
from speechbrain_gogo.dataio.audio.clips import read_clip
from speechbrain_gogo.dataio.audio.writing import written_audio
from speechbrain_gogo.dataio.ids import file_name
from speechbrain_gogo.dataio.manifests.reading import read_complete_manifest
from speechbrain_gogo.inference import GogoSpeech
from speechbrain_gogo.inference.loading.pretrained import find_source
from speechbrain_gogo.inference.marking import SYNTHETIC
from speechbrain_gogo.metrics.panel import UNSCORED, judge_utterances


class Evaluation:
    """Makes the versions of clips that are not judged yet.

    ``rows`` maps IDs to rows of the manifest, ``prompts`` to IDs of prompts.
    """

    def __init__(self, versions, rows, prompts):
        self.versions, self.rows, self.prompts = versions, rows, prompts
        self.rate = versions.speech.sample_rate

    def read(self, key):
        """A clip, [T]."""
        row = self.rows[key]
        return read_clip(row["wav"], self.rate, row["samples"])

    def cases(self, keys, results, samples):
        """Audio for the judges, of versions that have no results.

        Yields (ID, label), the version [T], the prompt and the clip as
        recorded, [T] both, and the transcript. ``samples`` maps IDs to folders,
        of clips whose audio is written.
        """
        for key in keys:
            labels = [
                label
                for label in self.versions.parts
                if (key, label) not in results.rows
            ]
            if not labels:
                continue
            wav, voice = self.read(key), self.read(self.prompts[key])
            both, text = (voice.numpy(), wav.numpy()), self.rows[key]["wrd"]
            if key in samples:
                samples[key].mkdir(parents=True, exist_ok=True)
                (samples[key] / "text.txt").write_text(f"{text}\n", "utf-8")
                self.write(samples[key] / "prompt.wav", voice, "")
            for label in labels:
                made = self.versions.make(label, key, wav, voice)
                if key in samples:
                    name = label.replace(",", "").replace(" ", "_")
                    own = self.versions.parts[label][1] == RECORDED
                    path = samples[key] / f"{name}.wav"
                    self.write(path, made, "" if own else SYNTHETIC)
                yield (key, label), made.numpy(), both, text

    def write(self, path, wav, comment):
        """Write audio [T]."""
        with written_audio(path, self.rate, comment) as write:
            write(wav)


def evaluate(speech, judges, hparams):
    """Make and judge what is not yet judged, then write the reports."""
    folder = Path(hparams["output_folder"])
    listed = read_complete_manifest(hparams["test_csv"], hparams["data_folder"])
    prompts = choose_prompts(
        listed,
        hparams["same_speaker"],
        hparams["prompt_seconds"],
        hparams["seed"],
    )
    keys = sorted(prompts)[:: hparams["every"]][: hparams["max_utterances"]]
    settings = {
        "seed": hparams["seed"],
        "allocate": hparams["allocate"],
        **hparams["sampling"],
    }
    disturbed = list_versions(hparams["disturbances"], listed)
    versions = Versions(speech, disturbed, settings)
    columns = [*(c for judge in judges for c in judge.columns), UNSCORED]
    deciding = {
        "model": hash_model(find_source(hparams["source"], speech=True)),
        "judges": [judge.judge for judge in judges],
        "prompts": prompts,
        **settings,
        **hash_utterances(listed),
    }
    own = identities(disturbed)
    labels = {k: own.get(name, {}) for k, (name, _) in versions.parts.items()}
    results = ResultsFile(folder, columns, deciding, labels)
    samples = keys[: hparams["num_samples"]]
    samples = {key: folder / "samples" / file_name(key) for key in samples}
    evaluation = Evaluation(versions, listed, prompts)
    cases = evaluation.cases(keys, results, samples)
    judged = judge_utterances(judges, cases, hparams["num_workers"])
    measured = results.complete(judged, keys, versions.parts)
    utterances = {key: listed[key] for key in keys}
    groups = versions.by_condition()
    write_reports(folder, measured, groups, judges, utterances, hparams)


def main(arguments):
    """Evaluate as the YAML says."""
    settings = parse_arguments(arguments)
    hparams, run_opts = settings.load(), settings.run_opts
    torch.set_num_threads(hparams["num_threads"])
    speech = GogoSpeech.from_hparams(hparams["source"], run_opts=run_opts)
    judges = [
        hparams["judges"][name](sample_rate=speech.sample_rate)
        for name in hparams["metrics"]
    ]
    evaluate(speech, judges, hparams)
    print(f"Results are in {hparams['output_folder']}")


if __name__ == "__main__":
    main(sys.argv[1:])

#!/usr/bin/env python3
"""Share of a codec's tokens that change with noise, rooms, codecs and others.

    python evaluate.py hparams/gogo.yaml --test_csv test.csv \
        --data_folder /path/to/speech

After an interruption, the same command continues. See the README in this folder.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

import speechbrain_gogo.compatibility  # noqa: F401

import torch
from comparison import (
    coarse_less_fine,
    compare_tokens,
    compare_vectors,
    shuffled,
)
from robustness_report import CHANCE, CLEAN, write_reports
from token_systems import TokenSystem
from tqdm import tqdm

from recipes.common.disturbances import generator, identities, list_versions
from recipes.common.evaluation.results_file import ResultsFile, hash_utterances
from recipes.common.noises import Recorded
from recipes.common.settings import parse_arguments
from speechbrain_gogo.dataio.audio.clips import read_clip
from speechbrain_gogo.dataio.manifests.reading import read_complete_manifest
from speechbrain_gogo.lobes.nn.fingerprint import hash_weights
from speechbrain_gogo.metrics.panel import UNSCORED, judge_utterances

LESS = "coarse less fine"


def prepare_disturbances(hparams, listed):
    """All versions: label -> (name, disturbance, setting).

    Babble is made of the clips ``listed``.
    """
    disturbances = dict(hparams["disturbances"])
    if hparams["noise_folder"] is None:
        disturbances.pop("recorded", None)
    else:
        noise = Recorded(hparams["noise_folder"])
        disturbances["recorded"].noise = noise
    return list_versions(disturbances, listed)


class Evaluation:
    """Encodes each clip clean and disturbed, and compares the tokens."""

    def __init__(self, system, versions, hparams):
        self.system, self.versions = system, versions
        self.seed, self.coarse = hparams["seed"], hparams["coarse"]
        self.labels = [CLEAN, *versions, CHANCE]
        unknown = set(hparams["judged"] or ()) - set(self.labels[:-1])
        if unknown:
            raise ValueError(
                f"judged: {sorted(unknown)} are none of {self.labels[:-1]}."
            )
        self.judged = set(hparams["judged"] or self.labels[:-1])

    @property
    def identities(self):
        """What changes the rows of each label, for JSON."""
        known = identities(self.versions)
        return {
            label: {**known.get(label, {}), "judged": label in self.judged}
            for label in self.labels
        }

    def read(self, key, wav, clean, label):
        """Tokens [T', K] and vectors of a clip's version."""
        if label == CLEAN:
            return clean
        if label == CHANCE:
            return shuffled(clean, generator(self.seed, key, label))
        name, disturbance, setting = self.versions[label]
        draw = generator(self.seed, key, name)
        rate = self.system.sample_rate
        changed = disturbance.change(wav, rate, setting, draw, key)
        return self.system.encode(changed)

    def count(self, clean, changed):
        """Columns of the results that need no judge."""
        both = clean, changed
        parts = [self.system.by_level(tokens) for tokens, _ in both]
        counts = compare_tokens(*parts)
        levels = list(parts[0])
        vectors = [vectors for _, vectors in both]
        counts |= compare_vectors(*vectors, self.system.levels)
        counts[LESS] = coarse_less_fine(counts, levels, self.coarse)
        return counts

    def cases(self, utterances, results, counted):
        """Speech for the judges; other rows are appended to the results.

        Yields (ID, label), decoded [T], clean recording [T] and transcript.
        ``counted`` gets the columns of these rows that need no judge.
        """
        for key, row in utterances.items():
            todo = [x for x in self.labels if (key, x) not in results.rows]
            if not todo:
                continue
            rate = self.system.sample_rate
            wav = read_clip(row["wav"], rate, row["samples"])
            clean = self.system.encode(wav)
            for label in todo:
                changed = self.read(key, wav, clean, label)
                values = self.count(clean, changed)
                if label not in self.judged:
                    unheard = dict.fromkeys(results.columns[2:], "")
                    results.append(key, label, {**unheard, **values})
                    continue
                counted[key, label] = values
                decoded = self.system.decode(changed[0])
                length = min(len(decoded), len(wav))
                pair = decoded[:length].numpy(), wav[:length].numpy()
                yield (key, label), *pair, row["wrd"]


def evaluate(system, judges, hparams):
    """Evaluate the remaining cases, then write the reports."""
    folder = Path(hparams["output_folder"])
    listed = read_complete_manifest(hparams["test_csv"], hparams["data_folder"])
    step, most = hparams["every"], hparams["max_utterances"]
    chosen = sorted(listed)[::step][:most]
    if not chosen:
        raise ValueError(f"{hparams['test_csv']} has no usable clip.")
    utterances = {key: listed[key] for key in chosen}
    versions = prepare_disturbances(hparams, listed)
    evaluation = Evaluation(system, versions, hparams)
    if not judges:
        evaluation.judged = set()
    first = read_clip(
        listed[chosen[0]]["wav"],
        system.sample_rate,
        listed[chosen[0]]["samples"],
    )
    levels = list(system.by_level(system.encode(first)[0]))
    kinds = "changed", "edits", "tokens", "distance"
    columns = [f"{kind} {name}" for name in levels for kind in kinds]
    columns += [LESS, *(c for judge in judges for c in judge.columns), UNSCORED]
    settings = {
        "test_csv": Path(hparams["test_csv"]).name,
        "tokenizer": hash_weights(system.tokenizer.state_dict()),
        "judges": [judge.judge for judge in judges],
        "seed": hparams["seed"],
        "coarse": hparams["coarse"],
        **hash_utterances(listed),  # of all, which babble uses
    }
    results = ResultsFile(folder, columns, settings, evaluation.identities)
    counted, progress = {}, tqdm(total=len(chosen), dynamic_ncols=True)
    cases = evaluation.cases(utterances, results, counted)
    heard = judge_utterances(judges, cases, hparams["num_workers"])
    for pair, values in heard if judges else cases:
        unknown = dict.fromkeys(columns, "")  # as of a codec without vectors
        results.append(*pair, {**unknown, **counted.pop(pair), **values})
        progress.update(len({k for k, _ in results.rows}) - progress.n)
    progress.update(len(chosen) - progress.n)
    progress.close()
    measured = {
        label: [results.rows[key, label] for key in chosen]
        for label in evaluation.labels
    }
    write_reports(folder, measured, levels, judges, utterances, hparams)


def main(arguments):
    """Evaluate as the YAML says."""
    settings = parse_arguments(arguments)
    hparams, run_opts = settings.load(), settings.run_opts
    torch.set_num_threads(hparams["codec_threads"])
    judges = [hparams["judges"][name]() for name in hparams["metrics"]]
    device = (run_opts or {}).get("device") or "cpu"
    tokenizer, dialect = hparams["tokenizer"], hparams["dialect"]
    evaluate(TokenSystem(tokenizer, dialect, device), judges, hparams)
    print(f"Results are in {hparams['output_folder']}")


if __name__ == "__main__":
    main(sys.argv[1:])

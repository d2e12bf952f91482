"""Reconstruct a test set at every number of kept tokens, and judge it.

Section 4.2 and Figure 7 of the Gogo paper, by the judges that the YAML names.
A killed evaluation goes on where it was; a missing or broken audio file makes
it fail, since a table over fewer utterances would be another table.

    python evaluate.py hparams/offline.yaml --source gogo-mini \
        --test_csv test.csv --data_folder /path/to/speech
"""

import sys
from pathlib import Path

import speechbrain as sb
import torch
from budgets import fingerprint, mean_budget
from hyperpyyaml import load_hyperpyyaml
from report import plot_rates, summarize, write_table
from results import ResultsFile
from speechbrain.dataio.audio_io import save
from speechbrain.dataio.dataio import load_data_csv
from tqdm import tqdm

from speechbrain_gogo.dataio.audio import check_finite, read_audio
from speechbrain_gogo.metrics.panel import judge_utterances

ORIGINAL, VOCODER = "original", "vocoder only"


def read_manifest(hparams):
    """The utterances to evaluate: all of them, or the first few for a test.

    Arguments
    ---------
    hparams : dict
        test_csv, data_folder, expected_utterances, max_utterances.

    Returns
    -------
    dict
        ID -> row of the manifest.

    Raises
    ------
    ValueError
        If the number is not the expected one, or audio files are missing.
    """
    path = hparams["test_csv"]
    rows = load_data_csv(path, {"data_root": hparams["data_folder"]})
    expected = hparams["expected_utterances"]
    if expected is not None and len(rows) != expected:
        raise ValueError(
            f"{path} has {len(rows)} utterances, expected_utterances says "
            f"{expected}."
        )
    missing = [r["wav"] for r in rows.values() if not Path(r["wav"]).is_file()]
    if missing or not rows:
        raise ValueError(
            f"{path}: {len(missing)} of {len(rows)} audio files are missing, "
            f"the first: {(missing or ['none listed'])[0]}. Is data_folder "
            f"({hparams['data_folder']}) right?"
        )
    return dict(list(rows.items())[: hparams["max_utterances"]])


def list_systems(hparams, plans):
    """Labels and options of what is compared: label -> options.

    The original comes first and has none; then, if wanted, the vocoder on
    the true mel; then the codec at each number of tokens per group, and with
    budgets that differ from group to group. An option that is a dict has a
    value for each utterance.
    """
    systems = {ORIGINAL: None}
    if hparams["vocoder_row"]:
        systems[VOCODER] = {"vocoder_only": True}
    for keep in hparams["keeps"]:
        systems[f"keep {keep}"] = {"keep": keep}
    for name, budgets in plans.items():
        systems[name] = {"keep": budgets}
    return systems


def reconstructions(system, utterances, options, done, samples):
    """Cases for the judges, those that are already measured left out.

    Arguments
    ---------
    system : GogoSystem
        Or another with its interface.
    utterances : dict
        From :func:`read_manifest`.
    options : dict
        From :func:`list_systems`.
    done : container
        (ID, label) pairs to leave out.
    samples : dict
        ID -> folder, for utterances to be written as audio.

    Yields
    ------
    tuple
        (ID, label), reconstruction [T], original [T], transcript.
    """
    for key, row in utterances.items():
        todo = [label for label in options if (key, label) not in done]
        if not todo:
            continue
        target = read_audio(row["wav"], system.sample_rate)
        for label in todo:
            predict = target
            if options[label] is not None:
                chosen = {
                    option: value[key] if isinstance(value, dict) else value
                    for option, value in options[label].items()
                }
                predict = system.reconstruct(
                    target.unsqueeze(0), torch.ones(1), **chosen
                )[0].cpu()
            check_finite(predict, f"{label} of {key}")
            length = min(len(predict), len(target))
            predict = predict[:length]
            if key in samples:
                samples[key].mkdir(parents=True, exist_ok=True)
                path = samples[key] / f"{label.replace(' ', '_')}.wav"
                save(path, predict.clamp(-1, 1), system.sample_rate)
            # Arrays: tensors would travel through shared-memory files.
            pair = predict.numpy(), target[:length].numpy()
            yield (key, label), *pair, row["wrd"]


def evaluate(system, judges, hparams):
    """Measure what is not yet measured, then write the reports.

    Arguments
    ---------
    system : GogoSystem
        Or another with its interface.
    judges : list
        Metrics.
    hparams : dict
        The YAML's settings.

    Returns
    -------
    dict
        (system, figure) -> (value, low, high).
    """
    folder = Path(hparams["output_folder"])
    folder.mkdir(parents=True, exist_ok=True)
    utterances, plans = read_manifest(hparams), {}
    if hparams["budgets"]:
        plans = system.plan_budgets(
            utterances,
            hparams["budgets"],
            hparams["target_rate"],
            hparams["budget_seed"],
        )
    options = list_systems(hparams, plans)
    results = ResultsFile(
        folder,
        [column for judge in judges for column in judge.columns],
        {
            "system": system.name,
            **system.settings,
            "budgets": fingerprint(plans),
            "test_csv": Path(hparams["test_csv"]).name,
            "judges": [judge.judge for judge in judges],
        },
    )
    heard = list(utterances)[: hparams["num_samples"]]  # the first, unchosen
    samples = {key: folder / "samples" / key for key in heard}
    cases = reconstructions(system, utterances, options, results.rows, samples)
    total = len(utterances) * len(options)
    progress = tqdm(total=total, dynamic_ncols=True)
    wanted = ((key, label) for key in utterances for label in options)
    progress.update(sum(pair in results.rows for pair in wanted))
    for pair, values in judge_utterances(judges, cases, hparams["num_workers"]):
        results.append(*pair, values)
        progress.update()
    progress.close()
    return write_reports(system, judges, hparams, utterances, options, results)


def write_reports(system, judges, hparams, utterances, options, results):
    """table.md and rate_quality.png; returns the figures behind them."""
    folder = Path(hparams["output_folder"])
    figures = [figure for judge in judges for figure in judge.figures]
    rows = {s: [results.rows[u, s] for u in utterances] for s in options}
    summary = summarize(rows, figures, hparams["bootstrap_seed"])

    bits = torch.tensor(float(system.vocab_size)).log2().item()
    rates = dict.fromkeys(options)
    for label, chosen in options.items():
        rate = system.token_rate(**chosen) if chosen is not None else None
        rates[label] = None if rate is None else (rate, rate * bits)
    minutes = sum(row["duration"] for row in utterances.values()) / 60
    notes = [
        f"{len(utterances)} utterances ({minutes:.1f} minutes) of "
        f"{Path(hparams['test_csv']).name}; 95 % bootstrap intervals over "
        "utterances in brackets.",
        f"Codec: {system.name}, "
        + ", ".join(f"{k} {v}" for k, v in system.settings.items()),
        *(f"Judge: {judge.judge}." for judge in judges),
    ]
    table = folder / "table.md"
    print(write_table(table, summary, list(options), figures, rates, notes))
    kept = {s: o["keep"] for s, o in options.items() if o and "keep" in o}
    if kept:
        plot_rates(
            folder / "rate_quality.png",
            summary,
            figures,
            {s: k for s, k in kept.items() if not isinstance(k, dict)},
            {s: mean_budget(k) for s, k in kept.items() if isinstance(k, dict)},
            [s for s in options if s not in kept],
        )
    return summary


def main(arguments):
    """Evaluate as the YAML says."""
    hparams_file, run_opts, overrides = sb.parse_arguments(arguments)
    with open(hparams_file) as stream:
        hparams = load_hyperpyyaml(stream, overrides)
    torch.set_num_threads(hparams["codec_threads"])
    judges = [hparams["judges"][name]() for name in hparams["metrics"]]
    system = hparams["system"](run_opts=run_opts)
    evaluate(system, judges, hparams)
    print(f"Results are in {hparams['output_folder']}")


if __name__ == "__main__":
    main(sys.argv[1:])

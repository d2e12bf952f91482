#!/usr/bin/env python3
"""Probe what information the tokens of a codec contain, by position.

Table 5, Figure 5 and Figure 7 of the Gogo paper, on LibriTTS or any SpeechBrain
CSV manifest:

    python train.py hparams/train.yaml --data_folder /path/to/LibriTTS

See the README in this folder.
"""

import json
import logging
import math
import sys
import zlib
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

import speechbrain_gogo.compatibility  # noqa: F401

import speechbrain as sb
import torch
from clips import draw_clips, probing_data
from features import KINDS, NAMES
from kept_tokens import read_results, write_kept
from probes import Scale, fit_probes, score_probes, squared_errors
from report import plot_heatmap, summarize, write_table
from speechbrain.utils.distributed import infer_device

from recipes.common.evaluation.results_file import write_rows
from recipes.common.experiment import start
from speechbrain_gogo.dataio.replacing import replaced_when_complete
from speechbrain_gogo.inference import open_codec

logger = logging.getLogger(__name__)
STAGES = ("train", "valid", "test")


def dataio_prepare(hparams, codec):
    """ProbingData of all stages: stage -> data."""
    data, folder = {}, Path(hparams["output_folder"])
    extractor = hparams["features"](sample_rate=codec.sample_rate)
    for stage in STAGES:
        manifest = hparams[f"{stage}_csv"]
        if hparams["max_clips"] is not None:
            drawn = folder / stage / "drawn.csv"
            draw_clips(
                manifest, drawn, hparams["max_clips"], hparams["draw_seed"]
            )
            manifest = drawn
        testing, clips = stage == "test", hparams["clips"]
        if testing:  # however long they are
            clips = {**clips, "min_duration": 0.0, "max_duration": math.inf}
        data[stage] = probing_data(
            codec,
            extractor,
            manifest,
            hparams["data_folder"],
            folder / stage,
            hparams["num_workers"],
            complete=testing,
            **clips,
        )
        logger.info("%s: %s", stage, data[stage].report)
    return data


def defined_features(data):
    """Indices in ``NAMES`` of the features that can be learned and scored.

    The log lists the others: those that are defined for fewer than two clips of
    a stage.
    """
    defined = [~data[stage].features.isnan() for stage in STAGES]
    counts = torch.stack([known.sum(0) for known in defined])  # [stages, F]
    usable = (counts >= 2).all(0)
    for place in (~usable).nonzero().flatten().tolist():
        logger.warning(
            "%s is left out: it is defined for %s clips.",
            NAMES[place],
            dict(zip(STAGES, counts[:, place].tolist())),
        )
    return usable.nonzero().flatten().tolist()


def probe(hparams, data, places, device, identity):
    """Train and score the probes of all seeds.

    ``places`` are indices of the features. ``identity`` is that of codec and
    data: a finished seed is not trained again. Gives squared errors in the
    features' units on the test clips, of the probes [S, M, P, F], and of the
    training clips' mean [M, F].
    """
    features = {stage: data[stage].features[:, places] for stage in STAGES}
    scales = Scale.of(data["train"].embeddings), Scale.of(features["train"])
    pairs = {}
    for stage in STAGES:
        values = data[stage].embeddings, features[stage]
        both = [scale.apply(v) for scale, v in zip(scales, values)]
        pairs[stage] = [values.to(device) for values in both]
    variance = scales[1].deviation.square()  # [F]
    num_positions, in_dim = data["train"].embeddings.shape[1:]
    errors = []
    for seed in hparams["seeds"]:
        path = Path(hparams["output_folder"]) / f"errors_{identity}_{seed}.pt"
        if not path.is_file():
            sb.utils.seed_everything(seed)
            probes = hparams["probes"](
                num_positions=num_positions,
                num_features=len(places),
                in_dim=in_dim,
            ).to(device)
            fit_probes(
                probes,
                pairs["train"],
                pairs["valid"],
                hparams["opt_class"],
                seed=seed,
                **hparams["fitting"],
            )
            batch_size = hparams["fitting"]["batch_size"]
            found = score_probes(probes, *pairs["test"], batch_size)
            with replaced_when_complete(path) as partial:
                torch.save(found.cpu().double() * variance, partial)
        errors.append(torch.load(path))
    mean = scales[1].mean.expand(1, 1, -1)
    return torch.stack(errors), squared_errors(mean, features["test"])[:, 0]


def identify(hparams, codec, data):
    """8 hex digits that identify the data and settings of a seed's errors."""
    content = {
        "codec": codec.fingerprint,
        "ids": [data[stage].ids for stage in STAGES],
        "features": [data[stage].features.tolist() for stage in STAGES],
        "probes": [str(hparams["probes"]), str(hparams["opt_class"])],
        "fitting": hparams["fitting"],
    }
    return f"{zlib.crc32(json.dumps(content).encode()):08x}"


def main(arguments):
    """Run the experiment."""
    hparams, run_opts = start(__file__, arguments, STAGES)
    device = run_opts["device"] or infer_device()
    codec = open_codec(
        hparams["source"],
        run_opts={"device": device},
        trust_source=hparams["trust_source"],
    )
    data = dataio_prepare(hparams, codec)
    places = defined_features(data)
    identity = identify(hparams, codec, data)
    errors, blind = probe(hparams, data, places, device, identity)

    kinds = {name: kind for kind, names in KINDS.items() for name in names}
    features = {NAMES[place]: kinds[NAMES[place]] for place in places}
    seed = hparams["bootstrap_seed"]
    rows = summarize(errors.numpy(), features, blind.numpy(), seed)
    folder = Path(hparams["output_folder"])
    write_rows(folder / "table.csv", rows)
    notes = [
        f"Codec: {codec.name}, fingerprint {codec.fingerprint}; means over "
        f"{len(errors)} seeds of the probes.",
        *(f"{stage}: {data[stage].report}." for stage in STAGES),
    ]
    table = folder / "table.md"
    print(write_table(table, rows, codec.backbone_size, notes))
    plot_heatmap(folder / "heatmap.png", rows)
    if hparams["reconstruction_results"] is not None:
        values = read_results(
            hparams["reconstruction_results"], hparams["figures"]
        )
        write_kept(folder, values)
    print(f"Results are in {folder}")


if __name__ == "__main__":
    main(sys.argv[1:])

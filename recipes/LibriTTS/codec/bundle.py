#!/usr/bin/env python3
"""Combine a trained codec and a trained vocoder in one model folder.

    python bundle.py hparams/bundle.yaml --codec CODEC --vocoder VOCODER \
        --valid_csv valid.csv --data_folder /path/to/speech --output_folder OUT

The vocoder with the best scores on validation clips is chosen. The sampler of
the flow (steps, guidance) is that of the codec, unless ``samplers`` are given:
then it is the cheapest one with nearly the best scores. All scores are written
to scores.json. Existing stages and an existing allocator in the folder belong
to another codec and are deleted.
"""

import itertools
import json
import math
import shutil
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

import speechbrain_gogo.compatibility  # noqa: F401

import numpy as np
from tqdm import tqdm

from recipes.common.settings import parse_arguments
from speechbrain_gogo.dataio.audio.waveform import AudioError
from speechbrain_gogo.dataio.manifests.dataset import speech_dataset
from speechbrain_gogo.inference import GogoCodec
from speechbrain_gogo.inference.loading.export import export_bundle
from speechbrain_gogo.inference.loading.export_speech import (
    FOLDERS,
    SPEECH_FILE,
)
from speechbrain_gogo.metrics import PESQ, STOI
from speechbrain_gogo.metrics.panel import judge_utterances


def score(codec, clips, judges):
    """Mean of each judge over the clips' reconstructions that it can judge."""

    def reconstructed():
        for clip in tqdm(clips, "clips", leave=False):
            wav = clip["sig"].unsqueeze(0)
            tokens, lens = codec.encode_batch(wav)
            audio, _ = codec.decode_batch(
                tokens, lens, num_samples=wav.shape[1]
            )
            yield clip["id"], audio[0].cpu().numpy(), wav[0].numpy(), ""

    panel = list(judges.values())
    rows = [row for _, row in judge_utterances(panel, reconstructed())]
    means = {}
    for name, judge in judges.items():
        values = np.array([row[judge.columns[0]] for row in rows])
        means[name] = float(values[~np.isnan(values)].mean())
        if unscored := int(np.isnan(values).sum()):
            print(f"{name}: no score for {unscored} of {len(rows)} clips")
    return means


def total(scores):
    """Sum of both judges' scores, each scaled to at most 1."""
    found = scores["stoi"] + scores["pesq"] / 4.64
    return -math.inf if math.isnan(found) else found  # NaN is the best of none


def cost(sampler):
    """Passes through the decoder; guidance takes two per step."""
    passes = 2 if sampler.get("guidance_scale") else 1
    return sampler.get("num_steps", 1) * passes


def choose(hparams, codec, clips):
    """Try every vocoder with the model's sampler, then the samplers, if any.

    Returns the changed settings of the sampler, the best vocoder's name, and
    all scores.
    """
    rate = codec.sample_rate
    judges = {"stoi": STOI(rate), "pesq": PESQ(band="wb", sample_rate=rate)}
    candidates, vocoders = hparams["vocoders"], {}
    for name, vocoder in tqdm(candidates.items(), "vocoders"):
        codec.mods["vocoder"] = vocoder.to(codec.device).eval()
        vocoders[name] = score(codec, clips, judges)
    name = max(vocoders, key=lambda key: total(vocoders[key]))
    codec.mods["vocoder"] = candidates[name]

    flow, grid, tried = codec.codec.flow, hparams["samplers"], []
    if not grid:
        return {}, name, {"vocoders": vocoders}
    for values in tqdm(list(itertools.product(*grid.values())), "samplers"):
        sampler = dict(zip(grid, values))
        for key, value in sampler.items():
            setattr(flow, key, value)
        tried.append({**sampler, **score(codec, clips, judges)})
    enough = max(map(total, tried)) - hparams["tolerance"]
    good = [sampler for sampler in tried if total(sampler) >= enough]
    best = min(good, key=lambda sampler: (cost(sampler), -total(sampler)))
    scores = {"vocoders": vocoders, "samplers": tried}
    return {key: best[key] for key in grid}, name, scores


def delete_dependents(folder):
    """Delete stages and allocator of the previous codec in the folder."""
    for name in FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in (SPEECH_FILE, "allocator.safetensors"):
        (folder / name).unlink(missing_ok=True)


def main(arguments):
    """Choose, then write the folder."""
    settings = parse_arguments(arguments)
    hparams, run_opts = settings.load(), settings.run_opts
    codec = GogoCodec.from_hparams(hparams["codec"], run_opts=run_opts)
    data, report = speech_dataset(
        hparams["valid_csv"], hparams["data_folder"], codec.sample_rate
    )
    print(f"{hparams['valid_csv']}: {report}")
    places = range(0, len(data), hparams["every"])
    clips = [data[place] for place in tqdm(places, "reading clips")]
    for clip in clips:
        if isinstance(clip["sig"], AudioError):
            raise ValueError(f"{clip['id']}: {clip['sig']}")
    sampler, name, scores = choose(hparams, codec, clips)

    folder = Path(hparams["output_folder"])
    delete_dependents(folder)
    vocoder = hparams["vocoders"][name]
    export_bundle(folder, hparams["codec"], vocoder, sampler)
    (folder / "scores.json").write_text(json.dumps(scores, indent=2) + "\n")
    chosen = f"{name}, {sampler or 'with the sampler as it was'}"
    print(f"Chosen: {chosen}. The model is in {folder}")


if __name__ == "__main__":
    main(sys.argv[1:])

"""Quality of decoded speech against passes of the flow's network.

    python -m bench samplers --codec results/codec/export --manifest test.csv \
        --guidance 0,2 --student results/distill/export

Clips are encoded once and decoded with Euler steps, with each sampler of
hparams/samplers, and by a distilled codec in 1, 2 and 4 steps. STOI, the mel
distance to the original and, if there is a recognizer, word errors are written as a
table and drawn against passes; a pass with guidance counts as two, since it is
computed twice.
"""

import csv
from pathlib import Path
from typing import Annotated

import torch
import typer
from hyperpyyaml import load_hyperpyyaml
from matplotlib.figure import Figure
from tqdm import tqdm

from speechbrain_gogo.dataio.audio import read_audio
from speechbrain_gogo.inference import GogoCodec
from speechbrain_gogo.lobes.gogo.flow.solvers import evaluation_times
from speechbrain_gogo.metrics.intelligibility import STOI
from speechbrain_gogo.metrics.recognition import find_recognizer

ROOT = Path(__file__).resolve().parents[2]
EULER = 1, 2, 4, 8, 16, 32
STUDENT = 1, 2, 4
FIGURES = "stoi", "mel_distance", "word_errors"


def main(
    codec: Annotated[str, typer.Option(help="Folder or name.")],
    manifest: Annotated[Path, typer.Option(help="CSV with a column wav.")],
    data_root: Annotated[Path, typer.Option(help="What $data_root is.")] = None,
    clips: Annotated[int, typer.Option(min=1)] = 8,
    guidance: Annotated[
        str, typer.Option(help="Scales w, with commas between.")
    ] = "0,2",
    student: Annotated[str, typer.Option(help="A distilled codec.")] = None,
    vocoder: Annotated[
        str, typer.Option(help="A codec whose vocoder is used for all.")
    ] = None,
    recognizer: Annotated[
        str, typer.Option(help="Whisper for word errors: hub id or folder.")
    ] = None,
    only: Annotated[
        str, typer.Option(help="Samplers to measure, with commas between.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    output: Path = ROOT / "results" / "bench" / "samplers",
):
    """Decode clips with all samplers, and write a table and a picture."""
    torch.set_num_threads(threads)
    model = load(codec, vocoder)
    flow = model.codec.flow
    if not hasattr(flow, "solver"):
        raise typer.BadParameter(f"The decoder of {codec} has no flow.")
    wanted = choose(only, student)
    texts, audio = read_clips(manifest, data_root, clips, model.sample_rate)
    coded = [model.encode_batch(wav[None]) for wav in audio]
    rows = []
    for scale in map(float, guidance.split(",")):
        for name in tqdm(
            [name for name in wanted if name in samplers()],
            f"guidance {scale:g}",
        ):
            use(flow, {**samplers()[name], "guidance_scale": scale})
            rows.append({"sampler": name, "guidance": scale})
            rows[-1]["passes"] = count_passes(flow)
            rows[-1] |= score(model, audio, coded, texts, recognizer)
    if student is not None:
        model = load(student, vocoder)
        for steps in STUDENT:
            if (name := f"student {steps}") in wanted:
                model.codec.flow.num_steps = steps
                rows.append({"sampler": name, "guidance": "learned"})
                rows[-1]["passes"] = steps
                rows[-1] |= score(model, audio, coded, texts, recognizer)
    output.mkdir(parents=True, exist_ok=True)
    draw(rows, output / "samplers.png")
    with open(output / "samplers.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    print((output / "samplers.csv").read_text())


def load(source, vocoder):
    """A codec, with the vocoder of another one if that is named."""
    model = GogoCodec.from_hparams(source)
    if vocoder is not None:
        model.mods.vocoder = GogoCodec.from_hparams(vocoder).vocoder
    return model


def choose(only, student):
    """Names of the samplers to measure, in their order."""
    names = [*samplers()]
    if student is not None:
        names += [f"student {steps}" for steps in STUDENT]
    if only is None:
        return names
    chosen = [name.strip() for name in only.split(",")]
    unknown = sorted(set(chosen) - set(names))
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: use {names}.")
    return chosen


def samplers():
    """Settings of all samplers by name."""
    plain = {
        "grid": "uniform",
        "solver": "euler",
        "guidance_interval": (0.0, 1.0),
    }
    found = {f"euler {n}": {"num_steps": n, **plain} for n in EULER}
    for path in sorted((ROOT / "hparams" / "samplers").glob("*.yaml")):
        with open(path) as stream:
            found[path.stem] = load_hyperpyyaml(stream)
    return found


def use(flow, settings):
    """Set a flow's sampler."""
    for key, value in settings.items():
        setattr(flow, key, value)


def count_passes(flow):
    """Network passes of a flow as it is set; two where there is guidance."""
    times = flow.schedule(flow.num_steps, "cpu")
    first, last = flow.guidance_interval
    return sum(
        1 + (bool(flow.guidance_scale) and first <= t <= last)
        for t in evaluation_times(times, flow.solver).tolist()
    )


def read_clips(manifest, data_root, number, rate):
    """Texts of the first clips of a manifest, and the clips, float32 [T] each."""
    with open(manifest, newline="") as file:
        rows = list(csv.DictReader(file))[:number]
    root = str(data_root or manifest.parent)
    paths = [row["wav"].replace("$data_root", root) for row in rows]
    return [row.get("wrd", "") for row in rows], [
        read_audio(path, rate) for path in paths
    ]


def score(model, audio, coded, texts, recognizer):
    """Mean STOI and mel distance of the clips, and their word errors."""
    metric, distances = STOI(model.sample_rate), []
    words = recognizer and find_recognizer(model.sample_rate, recognizer)
    for index, (wav, (tokens, lens)) in enumerate(zip(audio, coded)):
        made = model.decode_batch(tokens, lens, num_samples=len(wav))[0]
        metric.append([str(index)], predict=made, target=wav[None])
        if words:
            words.append([str(index)], predict=made, target=[texts[index]])
        mels = [model.codec.mel(each) for each in (made, wav[None])]
        distances.append(float((mels[0] - mels[1]).abs().mean()))
    mel = sum(distances) / len(distances)
    found = {"stoi": metric.summarize("average"), "mel_distance": mel}
    if words:
        found["word_errors"] = words.summarize("WER")
    return found


def draw(rows, path):
    """The picture: figures over passes, Euler and students as lines."""
    lines, points = {}, []
    for row in rows:
        kind = row["sampler"].split()[0]
        if kind in ("euler", "student"):
            lines.setdefault((kind, row["guidance"]), []).append(row)
        else:
            points.append(row)
    keys = [key for key in FIGURES if key in rows[0]]
    figure = Figure(figsize=(5 * len(keys), 4))
    axes = figure.subplots(1, len(keys))
    for axis, key in zip(axes, keys):
        for (kind, guidance), line in lines.items():
            xy = [[row[k] for row in line] for k in ("passes", key)]
            axis.plot(*xy, "o-", label=f"{kind}, guidance {guidance}")
        for row in points:
            label = f"{row['sampler']}, guidance {row['guidance']}"
            axis.plot(row["passes"], row[key], "s", label=label)
        axis.set(xlabel="passes", ylabel=key.replace("_", " "))
        axis.set_xscale("log", base=2)
    axes[1].legend(fontsize="x-small")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    typer.run(main)

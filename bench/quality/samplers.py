"""Quality of decoded speech against passes of the flow's network.

    python -m bench samplers --codec results/codec/export --manifest test.csv \
        --guidance 0,2 --student results/distill/export

Clips are encoded once and decoded with Euler steps, with each sampler of
hparams/samplers, and by a distilled codec in 1, 2 and 4 steps. STOI and the mel
distance to the original are written as a table and drawn against passes; a pass with
guidance counts as two, since it is computed twice.
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

ROOT = Path(__file__).resolve().parents[2]
EULER = 1, 2, 4, 8, 16, 32
STUDENT = 1, 2, 4


def main(
    codec: Annotated[str, typer.Option(help="Folder or name.")],
    manifest: Annotated[Path, typer.Option(help="CSV with a column wav.")],
    data_root: Annotated[Path, typer.Option(help="What $data_root is.")] = None,
    clips: Annotated[int, typer.Option(min=1)] = 8,
    guidance: Annotated[
        str, typer.Option(help="Scales w, with commas between.")
    ] = "0,2",
    student: Annotated[str, typer.Option(help="A distilled codec.")] = None,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    output: Path = ROOT / "results" / "bench" / "samplers",
):
    """Decode clips with all samplers, and write a table and a picture."""
    torch.set_num_threads(threads)
    model = GogoCodec.from_hparams(codec)
    flow = model.codec.flow
    if not hasattr(flow, "solver"):
        raise typer.BadParameter(f"The decoder of {codec} has no flow.")
    audio = read_clips(manifest, data_root, clips, model.sample_rate)
    coded = [model.encode_batch(wav[None]) for wav in audio]
    rows = []
    for scale in map(float, guidance.split(",")):
        for name, settings in tqdm(samplers().items(), f"guidance {scale:g}"):
            use(flow, {**settings, "guidance_scale": scale})
            passes = count_passes(flow)
            rows.append({"sampler": name, "guidance": scale, "passes": passes})
            rows[-1] |= score(model, audio, coded)
    if student is not None:
        model = GogoCodec.from_hparams(student)
        for steps in STUDENT:
            model.codec.flow.num_steps = steps
            rows.append({"sampler": f"student {steps}", "guidance": "learned"})
            rows[-1] |= {"passes": steps} | score(model, audio, coded)
    output.mkdir(parents=True, exist_ok=True)
    draw(rows, output / "samplers.png")
    with open(output / "samplers.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    print((output / "samplers.csv").read_text())


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
    """The first clips of a manifest, float32 [T] each."""
    with open(manifest, newline="") as file:
        paths = [row["wav"] for row in csv.DictReader(file)][:number]
    root = str(data_root or manifest.parent)
    return [
        read_audio(path.replace("$data_root", root), rate) for path in paths
    ]


def score(model, audio, coded):
    """Mean STOI and mel distance of the clips."""
    metric, distances = STOI(model.sample_rate), []
    for index, (wav, (tokens, lens)) in enumerate(zip(audio, coded)):
        made = model.decode_batch(tokens, lens, num_samples=len(wav))[0]
        metric.append([str(index)], predict=made, target=wav[None])
        mels = [model.codec.mel(each) for each in (made, wav[None])]
        distances.append(float((mels[0] - mels[1]).abs().mean()))
    mel = sum(distances) / len(distances)
    return {"stoi": metric.summarize("average"), "mel_distance": mel}


def draw(rows, path):
    """The picture: both figures over passes, Euler and students as lines."""
    lines, points = {}, []
    for row in rows:
        kind = row["sampler"].split()[0]
        if kind in ("euler", "student"):
            lines.setdefault((kind, row["guidance"]), []).append(row)
        else:
            points.append(row)
    figure = Figure(figsize=(10, 4))
    axes = figure.subplots(1, 2)
    for axis, key in zip(axes, ("stoi", "mel_distance")):
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

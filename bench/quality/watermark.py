"""Detection rate and false alarms of the watermark, and its effect on quality.

    python bench/quality/watermark.py --csv test.csv --data /path/to/speech

Every clip is evaluated with and without a watermark, after common changes of files.
The watermark is added in pieces, as in streams of speech. PESQ compares with the
clip itself.
"""

import io
import math
import time
from pathlib import Path
from typing import Annotated

import speechbrain_gogo.compatibility  # noqa: F401

import soundfile
import torch
import typer
from tqdm import tqdm

from speechbrain_gogo.dataio.audio.resampling import change_rate
from speechbrain_gogo.dataio.manifests.dataset import (
    speech_dataset,
    usable_clips,
)
from speechbrain_gogo.inference import open_codec
from speechbrain_gogo.inference.marking.detection import (
    THRESHOLD,
    WINDOW_SECONDS,
    score_windows,
)
from speechbrain_gogo.inference.marking.watermarks import load_watermark
from speechbrain_gogo.metrics.quality import PESQ

PIECE = 5120  # samples of a piece that is watermarked
CUT_SECONDS = 3
MP3_BIT_RATE = 64  # kbit/s
MP3_BIT_RATES = 8, 160  # of soundfile's compression levels 1 and 0


def mp3(wav, rate):
    """Write and read an MP3 file of a constant bit rate; the delay is removed."""
    least, most = MP3_BIT_RATES
    file = io.BytesIO()
    soundfile.write(
        *(file, wav.numpy(), rate),
        format="MP3",
        bitrate_mode="CONSTANT",
        compression_level=(most - MP3_BIT_RATE) / (most - least),
    )
    found, _ = soundfile.read(io.BytesIO(file.getvalue()), dtype="float32")
    return torch.from_numpy(found)


def resampled(wav, rate, through=16000):
    """Resample to another rate and back."""
    return change_rate(change_rate(wav, rate, through), through, rate)


def noisy(wav, rate, decibels=20):
    """Add white noise at a signal-to-noise ratio in dB."""
    noise = torch.randn(len(wav), generator=torch.Generator().manual_seed(0))
    scale = wav.norm() / noise.norm() / 10 ** (decibels / 20)
    return wav + scale * noise


def cut(wav, rate):
    """Cut out some seconds of the middle."""
    first = max(len(wav) - CUT_SECONDS * rate, 0) // 2
    return wav[first : first + CUT_SECONDS * rate]


def recoded(codec):
    """A function that encodes and decodes with a codec."""

    def through(wav, rate):
        tokens, _ = codec.encode_batch(wav)
        side = codec.side_information(wav.unsqueeze(0))
        wavs, _ = codec.decode_batch(tokens, num_samples=[len(wav)], **side)
        return wavs[0]

    return through


def highest_score(wav, rate):
    """The probability that `gogo detect` prints; None if there is none."""
    pieces = wav.split(int(WINDOW_SECONDS * rate))
    scores = [s for *_, s in score_windows(pieces, rate) if s is not None]
    return max(scores, default=None)


def main(
    csv: Annotated[Path, typer.Option(help="Manifest of clips.")],
    data: Annotated[Path, typer.Option(help="Replaces $data_root in it.")],
    clips: int = 100,
    codec: str = "gogo-mini",
):
    """Evaluate some clips and print a table."""
    codec, mark = open_codec(codec), load_watermark("perth")
    rate = codec.sample_rate
    changes = {
        "plain": lambda wav, rate: wav,
        f"MP3, {MP3_BIT_RATE} kbit/s": mp3,
        "resampled to 16 kHz and back": resampled,
        "resampled to 8 kHz and back": lambda w, r: resampled(w, r, 8000),
        f"cut to {CUT_SECONDS} s": cut,
        "white noise at 20 dB": noisy,
        f"through the tokens of {codec.name}": recoded(codec),
    }
    dataset, _ = speech_dataset(csv, data, rate)
    scores = {name: ([], []) for name in changes}  # without, with a watermark
    quality = {name: ([], []) for name in changes}
    pesq, spent, seconds = PESQ(sample_rate=rate), 0.0, 0.0
    for clip in tqdm(usable_clips(dataset, clips, seed=0), total=clips):
        wav = clip["sig"]
        start = time.perf_counter()
        marked = torch.cat(list(mark.mark_stream(wav.split(PIECE), rate)))
        spent += time.perf_counter() - start
        seconds += len(wav) / rate
        for name, change in changes.items():
            for which, given in enumerate((wav, marked)):
                changed = change(given, rate)
                scores[name][which].append(highest_score(changed, rate))
                found = pesq.measure(
                    changed, cut(wav, rate) if change is cut else wav
                )
                quality[name][which].append(found["pesq_wb"])
    print(f"{len(scores['plain'][0])} clips, {seconds / 60:.1f} minutes; ")
    print(f"watermarking takes {spent / seconds:.3f} s per second of audio")
    print("| | detected (%) | false alarms (%) | PESQ-WB without | with |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, (clean, with_mark) in scores.items():
        rates = (share_found(found) for found in (with_mark, clean))
        means = (mean(values) for values in quality[name])
        cells = [
            *(f"{100 * x:.1f}" for x in rates),
            *(f"{x:.2f}" for x in means),
        ]
        print(f"| {name} |", *[f"{cell} |" for cell in cells])


def share_found(scores):
    """Share of the files that count as watermarked, of all."""
    return sum(s is not None and s >= THRESHOLD for s in scores) / len(scores)


def mean(values):
    """Mean of the values that are numbers."""
    numbers = [value for value in values if not math.isnan(value)]
    return sum(numbers) / max(len(numbers), 1)


if __name__ == "__main__":
    typer.run(main)

"""What a codec's audio would be if parts of its mel were right.

    python -m bench mel_limits gogo-mini --csv valid.csv --data /path/to/speech

Parts of the recordings' log-mel replace those of the decoded one: frequencies below
or above a limit, the energy of each frame, the spectral envelope, or half of the
error everywhere. All are vocoded by the codec's vocoder. The table shows which errors
of the decoder cost the most, and what a better vocoder alone could not repair.
"""

from pathlib import Path
from typing import Annotated

import speechbrain_gogo.compatibility  # noqa: F401

import torch
import typer
from torch.nn import functional as F
from torchaudio.functional import melscale_fbanks
from tqdm import tqdm

from speechbrain_gogo.dataio.manifests.dataset import (
    speech_dataset,
    usable_clips,
)
from speechbrain_gogo.inference import GogoCodec
from speechbrain_gogo.metrics import PESQ, STOI, find_recognizer

SMOOTH = 9  # mel bins of an envelope


def mixtures(decoded, true, low):
    """Log-mels [F, d] with true parts, by name; ``low`` is bool [d]."""

    def energy(mel):
        return mel.exp().mean(1, keepdim=True).log()

    def envelope(mel):
        padded = F.pad(mel[:, None], (SMOOTH // 2, SMOOTH // 2), "replicate")
        return F.avg_pool1d(padded, SMOOTH, 1).squeeze(1)

    return {
        "decoded": decoded,
        "true energies": decoded + energy(true) - energy(decoded),
        "true envelopes": decoded + envelope(true) - envelope(decoded),
        "true below the limit": torch.where(low, true, decoded),
        "true above the limit": torch.where(low, decoded, true),
        "half of the error": (decoded + true) / 2,
        "true": true,
    }


def bins_below(mel, limit):
    """Which mel bins have their centre below a frequency, bool [d]."""
    bank = melscale_fbanks(
        mel.n_fft // 2 + 1,
        0.0,
        mel.sample_rate / 2,
        mel.n_mels,
        mel.sample_rate,
    )  # [n_fft / 2 + 1, d]
    centres = bank.argmax(0) * mel.sample_rate / mel.n_fft
    return centres < limit


@torch.inference_mode()
def decoded_mel(codec, wav):
    """Log-mels [F, d] of a clip [T]: decoded from all tokens, and its own."""
    network, size = codec.codec, codec.group_samples
    tokens, lens = codec.encode_batch(wav[None])
    frames, noise = tokens.shape[1] * network.group_size, None
    if network.flow.draws_noise:
        generator = torch.Generator().manual_seed(0)
        shape = 1, frames, network.mel.n_mels
        noise = torch.randn(shape, generator=generator)
    decoded = network.decode_mel(tokens, lens, noise)
    true = network.mel(F.pad(wav, (0, -len(wav) % size))[None])
    return decoded[0], true[0]


def main(
    source: str,
    csv: Annotated[Path, typer.Option(help="Manifest of clips.")],
    data: Annotated[Path, typer.Option(help="Replaces $data_root in it.")],
    clips: Annotated[int, typer.Option(min=1, help="At most.")] = 20,
    limit: Annotated[float, typer.Option(help="In Hz.")] = 2000.0,
    recognizer: Annotated[
        str, typer.Option(help="Whisper for word errors: hub id or folder.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1)] = 1,
):
    """Vocode the mixtures of some clips, and print a table."""
    torch.set_num_threads(threads)
    codec = GogoCodec.from_hparams(source)
    rate, low = codec.sample_rate, bins_below(codec.codec.mel, limit)
    dataset, _ = speech_dataset(csv, data, rate)
    judges = {}
    for clip in tqdm(list(usable_clips(dataset, clips))):
        wav, text = clip["sig"], clip["wrd"]
        for name, mel in mixtures(*decoded_mel(codec, wav), low).items():
            with torch.inference_mode():
                made = codec.vocoder(mel[None])[:, : len(wav)]
            if name not in judges:
                judges[name] = {"STOI": STOI(rate), "PESQ": PESQ("wb", rate)}
                if recognizer is not None:
                    judges[name]["WER"] = find_recognizer(rate, recognizer)
            for figure, judge in judges[name].items():
                target = [text] if figure == "WER" else wav[None]
                judge.append([clip["id"]], predict=made, target=target)
    print("| mel |", " | ".join(judges["decoded"]), "|")
    print("| --- |", " | ".join("---:" for _ in judges["decoded"]), "|")
    for name, found in judges.items():
        means = {
            key: judge.summarize("WER" if key == "WER" else "average")
            for key, judge in found.items()
        }
        cells = " | ".join(f"{mean:.3f}" for mean in means.values())
        print(f"| {name.replace('the limit', f'{limit:g} Hz')} | {cells} |")


if __name__ == "__main__":
    typer.run(main)

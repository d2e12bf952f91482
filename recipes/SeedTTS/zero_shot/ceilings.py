"""Upper bounds of GogoSpeech: recordings of a list, coded by its parts.

Stage I generates the backbone, Stage II completes it, and the codec decodes the
tokens. Here backbones are those of recordings, so that errors of Stage I are
excluded: they are decoded alone, or with the fine tokens of Stage II.

    python ceilings.py meta.lst ceilings --source gogo-mini
"""

import sys
from pathlib import Path
from typing import Annotated

sys.path.append(str(Path(__file__).resolve().parents[3]))

import speechbrain_gogo.compatibility  # noqa: F401

import torch
import typer
from seed_tts import read_tasks
from synthesis import write_audio
from tqdm import tqdm

from recipes.common.dry_run.models import describe_model
from speechbrain_gogo.inference import GogoSpeech
from speechbrain_gogo.inference.codecs.files import encode_recording
from speechbrain_gogo.inference.synthesis.requests import read_prompt
from speechbrain_gogo.lobes.speech.cached_decoding import Sampler
from speechbrain_gogo.lobes.speech.generation import DetailGenerator
from speechbrain_gogo.lobes.speech.single_stage import NoDetailLM


def main(
    list_path: Annotated[Path, typer.Argument(help="Tasks, with recordings.")],
    folder: Annotated[
        Path,
        typer.Argument(help="Folder to write, with one folder per system."),
    ],
    source: Annotated[
        str, typer.Option(help="The GogoSpeech to use.")
    ] = "gogo-mini",
    keep: Annotated[
        list[int] | None,
        typer.Option(
            help="Tokens per group; by default those of the backbone, and all."
        ),
    ] = None,
    device: str = "cpu",
    seed: int = 0,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry_run", help="Say what would be read and written, and end."
        ),
    ] = False,
):
    """Write audio for evaluate.py, as --other_systems."""
    tasks = read_tasks(list_path)
    if not tasks[0].recording:
        raise ValueError(f"{list_path} has no recordings.")
    if dry_run:
        tell(tasks, list_path, source, folder)
        return
    speech = GogoSpeech.from_hparams(source, run_opts={"device": device})
    codec, (stage1, stage2) = speech.codec, speech.mods.values()
    b, n_q = stage1.backbone_size, codec.num_codebooks
    keeps = sorted(set(keep or (b, n_q)))
    systems = {f"recordings, {n} tokens": folder / f"keep_{n}" for n in keeps}
    completes = not isinstance(stage2, NoDetailLM)
    if completes:
        label = f"recordings, {b} tokens and Stage II"
        systems[label] = folder / "completed"
    for place, task in enumerate(tqdm(tasks, dynamic_ncols=True)):
        tokens, num_samples = encode_recording(codec, task.recording)
        made = [(tokens, n) for n in keeps]
        if completes:
            prompt = read_prompt(codec, task.prompt_wav)
            sampler = Sampler([seed + place], **speech.hparams.sampling)
            whole = complete(stage2, prompt, tokens[:, :b], sampler)
            made.append((whole, n_q))
        for path, (found, kept) in zip(systems.values(), made):
            wavs, _ = codec.decode_batch(
                found[None], keep=kept, num_samples=num_samples
            )
            name = f"{task.name}.wav"
            write_audio(path / name, wavs[0].cpu(), codec.sample_rate)
    listed = ", ".join(f"'{label}': {path}" for label, path in systems.items())
    print(f'To judge them: evaluate.py ... --other_systems "{{{listed}}}"')


def tell(tasks, list_path, source, folder):
    """Print what would be read and written."""
    # All of them exist, or the list could not be read.
    paths = {p for task in tasks for p in (task.recording, task.prompt_wav)}
    model = describe_model("source", source)
    print(
        f"Reads\n  {list_path}: {len(tasks)} tasks of {len(paths)} audio files"
        f"\n  source: {model.text}\nWrites\n"
        f"  {folder}: {len(tasks)} files for each number of tokens, and as many "
        "by Stage II if the model has one. A run that was interrupted begins "
        "anew."
    )


def complete(stage2, prompt, backbone, sampler):
    """Generate the fine tokens of a backbone, as GogoSpeech does.

    The prompt is int64 [N', K], the backbone [N, b], the result [N, K]. It is
    an error if there are not enough positions for prompt and speech.
    """
    device = stage2.llama.device
    details = DetailGenerator(
        stage2, prompt[None].to(device), torch.ones(1, device=device), sampler
    )
    budget = torch.tensor([stage2.num_tokens], device=device)
    groups = [
        details.complete(group[None], budget) for group in backbone.to(device)
    ]
    return torch.cat(groups)


if __name__ == "__main__":
    typer.run(main)

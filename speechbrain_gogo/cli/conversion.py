"""Commands that generate the fine tokens of a recording again, by Stage II."""

from pathlib import Path
from typing import Annotated

import typer

from speechbrain_gogo.cli import options
from speechbrain_gogo.cli.steps import flow_settings, given, load

Spoken = Annotated[Path, typer.Argument(help="A recording of the words.")]
TargetVoice = Annotated[
    Path, typer.Argument(help="A recording of the voice, a few seconds.")
]
Noisy = Annotated[Path, typer.Argument(help="The recording, of any length.")]
CleanPrompt = Annotated[
    Path | None,
    typer.Option(
        "--prompt",
        help="A clean recording, best of the same speaker; none by default.",
    ),
]


def convert(
    source: Spoken,
    target: TargetVoice,
    out: options.Wav,
    allocate: options.Allocator = True,
    temperature: options.Draw = None,
    repetition_penalty: options.Draw = None,
    top_p: options.Draw = None,
    top_k: options.DrawFrom = None,
    steps: options.Steps = None,
    guidance: options.Guidance = None,
    seed: options.Seed = 0,
    codec: options.Codec = options.BUNDLED,
    device: options.Device = "cpu",
    trust_source: options.Trust = False,
):
    """Say what SOURCE says in the voice of TARGET.

    The coarse tokens of SOURCE are kept; the model's Stage II generates the
    fine ones again, after the tokens of TARGET. gogo-mini has no Stage II: give
    a model that has one (--codec).
    """
    from speechbrain_gogo.inference.synthesis.files import convert_file

    settings = given(
        temperature=temperature,
        repetition_penalty=repetition_penalty,
        top_p=top_p,
        top_k=top_k,
        allocate=allocate,
        seed=seed,
    )
    model = load(codec, device, trust_source, speaks=True)
    settings |= flow_settings(model.codec, steps, guidance)
    made = convert_file(model, out, source, target, **settings)
    seconds = len(made.wav) / made.sample_rate
    rate = int(made.budgets.sum()) / seconds
    typer.echo(f"{out}: {seconds:.2f} s, {rate:.1f} tokens/s")


def enhance(
    source: Noisy,
    out: options.Wav,
    prompt: CleanPrompt = None,
    allocate: options.Allocator = True,
    temperature: options.Draw = None,
    repetition_penalty: options.Draw = None,
    top_p: options.Draw = None,
    top_k: options.DrawFrom = None,
    steps: options.Steps = None,
    guidance: options.Guidance = None,
    seed: options.Seed = 0,
    codec: options.Codec = options.BUNDLED,
    device: options.Device = "cpu",
    trust_source: options.Trust = False,
):
    """Generate the fine tokens of SOURCE again, from its coarse ones.

    What is only in the fine tokens of a noisy recording is lost, its noise
    included. gogo-mini has no Stage II: give a model that has one (--codec).
    """
    convert(
        source=source,
        target=prompt,
        out=out,
        allocate=allocate,
        temperature=temperature,
        repetition_penalty=repetition_penalty,
        top_p=top_p,
        top_k=top_k,
        steps=steps,
        guidance=guidance,
        seed=seed,
        codec=codec,
        device=device,
        trust_source=trust_source,
    )

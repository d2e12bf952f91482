"""The command that synthesizes a text."""

from pathlib import Path
from typing import Annotated

import typer

from speechbrain_gogo.cli import options
from speechbrain_gogo.cli.steps import (
    describe,
    flow_settings,
    given,
    load,
    text_to_speak,
)

Text = Annotated[
    str | None,
    typer.Option(help="Text to speak, in English; - reads standard input."),
]
TextFile = Annotated[
    Path | None, typer.Option(help="A file with the text to speak, in UTF-8.")
]
Prompt = Annotated[
    Path | None,
    typer.Option(
        help="A recording of the voice; the model's own voice by default."
    ),
]
PromptText = Annotated[
    str | None,
    typer.Option(help="Transcript of the recording; recognised by default."),
]
Stream = Annotated[
    bool,
    typer.Option(
        "--stream", help="Print the time at which each chunk of audio is ready."
    ),
]
TextGuidance = Annotated[
    float | None,
    typer.Option(
        help="Scale of classifier-free guidance by the text; 0: none."
    ),
]


def speak(
    out: options.Wav,
    prompt: Prompt = None,
    text: Text = None,
    text_file: TextFile = None,
    prompt_text: PromptText = None,
    recognizer: options.Recognizer = None,
    stream: Stream = False,
    allocate: options.Allocator = True,
    temperature: options.Draw = None,
    repetition_penalty: options.Draw = None,
    top_p: options.Draw = None,
    top_k: options.DrawFrom = None,
    text_guidance: TextGuidance = None,
    steps: options.Steps = None,
    guidance: options.Guidance = None,
    seed: options.Seed = 0,
    codec: options.Codec = options.BUNDLED,
    device: options.Device = "cpu",
    trust_source: options.Trust = False,
):
    """Synthesize a text in the voice of a recording, or the model's own."""
    from speechbrain_gogo.inference.synthesis.files import synthesize_file

    text = text_to_speak(text, text_file)
    model = load(codec, device, trust_source, speaks=True)
    settings = given(
        temperature=temperature,
        repetition_penalty=repetition_penalty,
        top_p=top_p,
        top_k=top_k,
        text_guidance=text_guidance,
    )
    settings |= flow_settings(model.codec, steps, guidance)
    if prompt is None and prompt_text is not None:
        raise ValueError(
            "--prompt-text is the text of --prompt: give both, or neither."
        )

    def report(seconds, elapsed):
        if stream:
            typer.echo(f"{seconds:.2f} s after {elapsed:.2f} s")

    if recognizer is not None and prompt is not None and prompt_text is None:
        prompt_text = model.transcribe(prompt, recognizer=recognizer)
    request = text, prompt, prompt_text
    result = synthesize_file(
        model, out, *request, report, allocate=allocate, seed=seed, **settings
    )
    typer.echo(describe(result, out))

"""The command that synthesizes a text."""

import typer

from speechbrain_gogo.cli.options import (
    BUNDLED,
    Allocator,
    Codec,
    Device,
    Draw,
    DrawFrom,
    Guidance,
    Prompt,
    PromptText,
    Recognizer,
    Seed,
    Steps,
    Stream,
    Text,
    TextFile,
    TextGuidance,
    Trust,
    Wav,
)
from speechbrain_gogo.cli.steps import describe, given, load, text_to_speak


def speak(
    out: Wav,
    prompt: Prompt = None,
    text: Text = None,
    text_file: TextFile = None,
    prompt_text: PromptText = None,
    recognizer: Recognizer = None,
    stream: Stream = False,
    allocate: Allocator = True,
    temperature: Draw = None,
    repetition_penalty: Draw = None,
    top_p: Draw = None,
    top_k: DrawFrom = None,
    text_guidance: TextGuidance = None,
    steps: Steps = None,
    guidance: Guidance = None,
    seed: Seed = 0,
    codec: Codec = BUNDLED,
    device: Device = "cpu",
    trust_source: Trust = False,
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
        num_steps=steps,
        guidance_scale=guidance,
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

"""The commands of `gogo`: encode, decode, speak and others.

Each command is a thin layer over speechbrain_gogo.inference, which is imported
only when a command runs, so that ``--help`` is fast. Wrong input ends a command
with one line on stderr and exit status 1.
"""

import os
from pathlib import Path

import typer

from speechbrain_gogo.cli.corpora import tokenize
from speechbrain_gogo.cli.options import (
    BUNDLED,
    Allocate,
    Allocator,
    Codec,
    Device,
    Draw,
    DrawFrom,
    Guidance,
    Image,
    Inputs,
    Keep,
    Output,
    OwnAudio,
    PageFolder,
    Prompt,
    PromptText,
    Recognizer,
    Recording,
    Seconds,
    Seed,
    Source,
    Steps,
    Stream,
    TargetRate,
    Text,
    TextFile,
    TextGuidance,
    Trust,
    Version,
    Wav,
)
from speechbrain_gogo.cli.steps import (
    allocation,
    describe,
    is_user_error,
    load,
    print_error,
    run_all,
    sampling,
    text_to_speak,
)


class OneLineErrors(typer.core.TyperGroup):
    """Commands that print errors of the user in one line, no traceback."""

    def invoke(self, ctx):
        """Run a command; exit with status 1 after an error of the user."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            if not is_user_error(error):
                raise
            print_error(error)
            raise typer.Exit(1) from None


app = typer.Typer(
    cls=OneLineErrors,
    no_args_is_help=True,
    add_completion=False,
)


@app.callback()
def gogo(version: Version = False):
    """Gogo: speech to granularity-ordered tokens and back."""


@app.command()
def encode(
    inputs: Inputs,
    out: Output,
    allocate: Allocate = False,
    target_rate: TargetRate = None,
    codec: Codec = BUNDLED,
    device: Device = "cpu",
    trust_source: Trust = False,
):
    """Encode audio of any length and rate into token files."""
    from speechbrain_gogo.inference.files import audio as files
    from speechbrain_gogo.inference.files.describe import describe_kept

    wanted = allocation(allocate, target_rate)
    pairs = files.plan(inputs, out, files.READABLE_AUDIO, files.TOKENS)
    model = load(codec, device, trust_source)

    def work(source, target):
        tokens, samples = files.encode_to_file(model, source, target, **wanted)
        rate = describe_kept(model, tokens)
        seconds = samples / model.sample_rate
        return f"{seconds:.2f} s, {len(tokens)} groups, {rate}"

    run_all(pairs, work)


@app.command()
def decode(
    inputs: Inputs,
    out: Output,
    keep: Keep = None,
    steps: Steps = None,
    guidance: Guidance = None,
    seed: Seed = 0,
    codec: Codec = BUNDLED,
    device: Device = "cpu",
    trust_source: Trust = False,
):
    """Decode token files into audio of the original length."""
    from speechbrain_gogo.inference.files import audio as files

    pairs = files.plan(inputs, out, files.TOKENS, files.WRITABLE_AUDIO)
    model = load(codec, device, trust_source)
    settings = sampling(model, keep, steps, guidance, seed)

    def work(source, target):
        samples = files.decode_to_file(model, source, target, **settings)
        return f"{samples / model.sample_rate:.2f} s"

    run_all(pairs, work)


@app.command()
def reconstruct(
    inputs: Inputs,
    out: Output,
    keep: Keep = None,
    allocate: Allocate = False,
    target_rate: TargetRate = None,
    steps: Steps = None,
    guidance: Guidance = None,
    seed: Seed = 0,
    codec: Codec = BUNDLED,
    device: Device = "cpu",
    trust_source: Trust = False,
):
    """Encode audio and decode it again."""
    from speechbrain_gogo.inference.files import audio as files
    from speechbrain_gogo.inference.files.describe import describe_kept

    wanted = allocation(allocate, target_rate)
    pairs = files.plan(inputs, out, files.READABLE_AUDIO, files.WRITABLE_AUDIO)
    model = load(codec, device, trust_source)
    settings = sampling(model, keep, steps, guidance, seed)

    def work(source, target):
        tokens, samples = files.encode_with_budgets(model, source, **wanted)
        tokens = tokens[:, :keep]
        model.decode_file(tokens, target, num_samples=samples, **settings)
        return describe_kept(model, tokens)

    run_all(pairs, work)


app.command()(tokenize)


@app.command()
def speak(
    prompt: Prompt,
    out: Wav,
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
    """Synthesize a text in the voice of a recording."""
    from speechbrain_gogo.inference.synthesis.files import synthesize_file

    text = text_to_speak(text, text_file)
    model = load(codec, device, trust_source, speaks=True)
    given = {
        "temperature": temperature,
        "repetition_penalty": repetition_penalty,
        "top_p": top_p,
        "top_k": top_k,
        "text_guidance": text_guidance,
        "num_steps": steps,
        "guidance_scale": guidance,
    }
    given = {key: value for key, value in given.items() if value is not None}

    def report(seconds, elapsed):
        if stream:
            typer.echo(f"{seconds:.2f} s after {elapsed:.2f} s")

    if recognizer is not None and prompt_text is None:
        prompt_text = model.transcribe(prompt, recognizer=recognizer)
    request = text, prompt, prompt_text
    result = synthesize_file(
        model, out, *request, report, allocate=allocate, seed=seed, **given
    )
    typer.echo(describe(result, out))


@app.command()
def budgets(
    wav: Recording,
    image: Image,
    target_rate: TargetRate = None,
    seconds: Seconds = 10.0,
    codec: Codec = BUNDLED,
    device: Device = "cpu",
    trust_source: Trust = False,
):
    """Plot how many tokens the allocator gives each group of a recording."""
    from speechbrain_gogo.inference.demo.budget_picture import draw_budgets
    from speechbrain_gogo.inference.files.describe import describe_rate

    if image.suffix.lower() != ".png":
        raise ValueError(
            f"{image}: the picture is written as PNG, give a name that ends with .png."
        )
    model = load(codec, device, trust_source)
    found = draw_budgets(model, wav, image, target_rate, seconds)
    rate = describe_rate(model, float(found.double().mean()))
    typer.echo(f"{image}: {len(found)} groups, {rate}")


@app.command()
def info(
    source: Source = BUNDLED,
    codec: Codec = BUNDLED,
    trust_source: Trust = False,
):
    """Show the properties of a token file or of a codec."""
    from speechbrain_gogo.inference.files import audio as files
    from speechbrain_gogo.inference.files import describe

    is_file = Path(source).suffix in files.TOKENS
    is_file = is_file or Path(source).is_file()
    model = load(codec if is_file else source, "cpu", trust_source)
    if is_file:
        found = describe.describe_token_file(source, model)
    else:
        found = describe.describe_codec(model, source)
    for name, value in found.items():
        typer.echo(f"{name:12} {value}")


@app.command()
def demo(
    wav: OwnAudio = None,
    out: PageFolder = Path("results/demo"),
    codec: Codec = BUNDLED,
    device: Device = "cpu",
    trust_source: Trust = False,
):
    """Decode a clip at several rates and write a page with players."""
    from speechbrain_gogo.inference.demo.run import run_demo
    from speechbrain_gogo.inference.loading.speech import can_speak

    model = load(codec, device, trust_source)
    speech = None
    if can_speak(codec):
        speech = load(codec, device, trust_source, speaks=True)
    recordings, synthesis, page = run_demo(model, out, wav or [], speech)
    for recording in recordings:
        typer.echo(
            f"\n{recording.title}: {recording.seconds:.2f} s, "
            f"encoding real-time factor {recording.encode_factor:.3f}"
        )
        typer.echo("  keep  tokens/s   bit/s  decoding factor  file")
        for made in recording.decodings:
            typer.echo(
                f"  {made.keep:4}{made.token_rate:10.1f}{made.bit_rate:8.1f}"
                f"{made.real_time_factor:17.3f}  {out / made.wav}"
            )
    if synthesis:
        typer.echo(f"\n{describe(synthesis, out / synthesis.wav)}")
    typer.echo(f"\nListen: open {page.resolve()}")


def main():
    """Entry point of the `gogo` command."""
    # Read by torch's OpenMP. Threads that wait actively make the short passes of
    # language models many times slower if other processes use the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    app()

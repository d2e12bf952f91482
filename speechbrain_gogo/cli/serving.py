"""The command that serves a model."""

import math
from pathlib import Path
from typing import Annotated

import typer

from speechbrain_gogo.cli import options
from speechbrain_gogo.cli.steps import load
from speechbrain_gogo.optional_packages import import_extra

Host = Annotated[
    str,
    typer.Option(
        help="Address to listen at; 0.0.0.0 accepts connections from all machines."
    ),
]
Port = Annotated[int, typer.Option(help="Port to listen at; 0: a free one.")]
Voices = Annotated[
    Path | None,
    typer.Option(
        help="Folder of voices: NAME.wav with its transcript in NAME.txt."
    ),
]
MostCharacters = Annotated[int, typer.Option(min=1, help="Longest text.")]
MostBytes = Annotated[
    float, typer.Option(help="Largest request, audio included.")
]
MostSeconds = Annotated[float, typer.Option(help="Longest recording.")]
Waiting = Annotated[
    int,
    typer.Option(
        min=0,
        help="Number of requests that may wait; further ones are rejected, "
        "with a time to retry.",
    ),
]
Threads = Annotated[
    int,
    typer.Option(
        min=1, help="Number of requests that are computed at the same time."
    ),
]


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    voices: Voices = None,
    recognizer: options.Recognizer = None,
    max_characters: MostCharacters = 4096,
    max_megabytes: MostBytes = 10.0,
    max_seconds: MostSeconds = 60.0,
    waiting: Waiting = 16,
    workers: Threads = 1,
    codec: options.Codec = options.BUNDLED,
    device: options.Device = "cpu",
    trust_source: options.Trust = False,
):
    """Serve a web page and an HTTP API in the shape of OpenAI's."""
    import_extra("gogo serve", "serve", "starlette", "uvicorn")
    from speechbrain_gogo import serving

    sizes = {"--max-megabytes": max_megabytes, "--max-seconds": max_seconds}
    for name, value in sizes.items():
        if not 0 < value < math.inf:  # also NaN
            raise ValueError(f"{name} {value:g}: give a number above 0.")
    from speechbrain_gogo.inference.loading.speech import can_speak

    limits = serving.Limits(
        max_characters, round(max_megabytes * 1e6), max_seconds
    )
    found = serving.find_voices(voices) if voices else {}
    with serving.listen(host, port) as sock:
        speech = None
        if can_speak(codec):
            speech = load(codec, device, trust_source, speaks=True)
            model = speech.codec
        else:
            model = load(codec, device, trust_source)
        served = serving.Served(model, speech, found, recognizer, limits)
        queue = serving.JobQueue(workers, waiting)
        address, bound_port, *_ = sock.getsockname()
        hosts = serving.host_names(host, address)
        app = serving.make_app(served, queue, hosts)
        shown = f"[{host}]" if ":" in host else host
        typer.echo(
            f"'{served.name}' at http://{shown}:{bound_port}, Ctrl-C ends it"
        )
        serving.run_server(app, sock)

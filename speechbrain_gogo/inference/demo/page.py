"""The demo's page, an HTML file that needs no server.

Its audio and pictures are files in the same folder. Its content comes from run.py,
its layout from demo_page.html.
"""

import math
from pathlib import Path

import jinja2
import torch

TEMPLATE = Path(__file__).parent / "demo_page.html"


def write_page(codec, recordings, spoken, voice, folder, picture_seconds):
    """Write index.html beside the demo's audio and pictures.

    ``recordings`` and ``spoken`` are results of run.py; ``voice`` says in words
    whose ``spoken`` has; a picture shows up to ``picture_seconds`` of a
    recording. Returns the page's Path.
    """
    template = jinja2.Template(
        TEMPLATE.read_text(encoding="utf-8"),
        autoescape=True,  # titles are the names of users' files
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    modules = codec.codec, codec.vocoder
    weights = [weight for m in modules for weight in m.parameters()]
    html = template.render(
        codec=codec,
        recordings=recordings,
        spoken=spoken,
        voice=voice,
        parameters=sum(weight.numel() for weight in weights) / 1e6,
        device=weights[0].device.type.upper(),
        threads=torch.get_num_threads(),
        token_bits=math.log2(codec.vocab_size),
        group_ms=1000 / codec.group_rate,
        picture_seconds=picture_seconds,
        pcm_rate=16 * codec.sample_rate,
    )
    page = Path(folder) / "index.html"
    page.write_text(html, encoding="utf-8")
    return page

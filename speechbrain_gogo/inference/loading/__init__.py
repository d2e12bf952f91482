"""Loading pretrained models and exporting trained ones.

A model is a folder with a YAML and safetensors, found on disk, among the
bundled models or on the hub. Its YAML may only name known networks, and weights
are loaded strictly.
"""

from speechbrain_gogo.inference.loading.export import (
    export_allocator,
    export_codec,
    export_run,
)
from speechbrain_gogo.inference.loading.export_speech import export_speech_stage
from speechbrain_gogo.inference.loading.pretrained import (
    find_source,
    load_model,
)
from speechbrain_gogo.inference.loading.speech import load_stages

__all__ = [
    "export_allocator",
    "export_codec",
    "export_run",
    "export_speech_stage",
    "find_source",
    "load_model",
    "load_stages",
]

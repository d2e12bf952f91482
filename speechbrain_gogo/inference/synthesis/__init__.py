"""From text and a prompt to groups of tokens.

Text is split into utterances that fit the positions of the language models,
which generate their groups. Sampling settings are checked here.
"""

from speechbrain_gogo.inference.synthesis.files import (
    SynthesisResult,
    convert_file,
    synthesize_file,
)
from speechbrain_gogo.inference.synthesis.generator import (
    GroupGenerator,
    Groups,
)
from speechbrain_gogo.inference.synthesis.sampling import (
    read_sampling,
)
from speechbrain_gogo.inference.synthesis.utterances import (
    Utterance,
    make_continuation,
    make_utterances,
)

__all__ = [
    "GroupGenerator",
    "Groups",
    "SynthesisResult",
    "Utterance",
    "convert_file",
    "make_continuation",
    "make_utterances",
    "read_sampling",
    "synthesize_file",
]

"""Settings of text to speech: of its language models, and of Gogo's flow."""

from speechbrain_gogo.inference.checks.settings import (
    check_sampling,
    check_whole,
    is_number,
)

SAMPLING = "temperature", "repetition_penalty", "top_p", "top_k"
TEXT_GUIDANCE = "text_guidance"  # of GogoSpeech's Stage I
FLOW = "num_steps", "guidance_scale"
MIN_TEMPERATURE = 1e-4  # below it logits overflow
# Whether a value of the language models' settings is allowed, and which are.
ALLOWED = {
    "temperature": (
        lambda value: value == 0 or value >= MIN_TEMPERATURE,
        f"0 (the likeliest token) or at least {MIN_TEMPERATURE}",
    ),
    "repetition_penalty": (lambda value: value >= 1, "1 (none) or more"),
    "top_p": (lambda value: 0 < value <= 1, "a probability above 0, up to 1"),
    "top_k": (lambda value: value >= 0, "a number of tokens, or 0 for all"),
    "text_guidance": (lambda value: value >= 0, "0 (none) or more"),
}


def read_sampling(given, defaults, names=(*SAMPLING, TEXT_GUIDANCE, *FLOW)):
    """Split and check the settings of the language models and of the flow.

    ``given`` are the settings of a call, for both; ``defaults`` are the model's
    own, for the language models; ``names`` are all that exist. Returns arguments
    of a Sampler, and of the codec (None is its default).

    Example
    -------
    >>> read_sampling({"top_k": 9, "num_steps": 4}, {"temperature": 0.8})
    ({'temperature': 0.8, 'top_k': 9}, {'num_steps': 4, 'guidance_scale': None})
    """
    unknown = set(given).difference(names)
    if unknown:
        raise ValueError(
            f"No setting is called {', '.join(sorted(unknown))}: there are "
            f"{', '.join(names)}."
        )
    selected = {key: given[key] for key in given if key not in FLOW}
    sampling = {**defaults, **selected}
    unknown = set(sampling).difference(names).union(set(sampling) & set(FLOW))
    if unknown:
        raise ValueError(f"The model's sampling has {sorted(unknown)}.")
    check_sampling_settings(**sampling)
    return sampling, check_sampling(*map(given.get, FLOW))


def check_sampling_settings(**given):
    """Check the ranges of the language models' settings."""
    for name, value in given.items():
        if name == "top_k":
            check_whole(value, name)
        if not is_number(value):
            raise ValueError(f"{name}={value!r}: give a number.")
        holds, wanted = ALLOWED[name]
        if not holds(value):
            raise ValueError(f"{name}={value}: give {wanted}.")

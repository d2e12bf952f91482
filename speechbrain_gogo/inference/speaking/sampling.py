"""How GogoSpeech draws: its two stages tokens, and the codec's flow audio."""

import math
import numbers

from speechbrain_gogo.inference.checks import check_sampling, check_whole

DRAWING = (
    *("temperature", "repetition_penalty", "top_p", "top_k"),
    "text_guidance",  # of Stage I
)
FLOW = "num_steps", "guidance_scale"
COLDEST = 1e-4  # a temperature by which logits can be divided


def read_sampling(given, usual):
    """Settings of the language models, and of the flow.

    Arguments
    ---------
    given : dict
        What a call asks for, of both.
    usual : dict
        The model's own settings of the language models.

    Returns
    -------
    tuple of dict
        For a Sampler, and for the codec: None is the codec's own.

    Raises
    ------
    ValueError
        If there is no such setting, or it makes no sense.

    Example
    -------
    >>> read_sampling({"top_k": 9, "num_steps": 4}, {"temperature": 0.8})
    ({'temperature': 0.8, 'top_k': 9}, {'num_steps': 4, 'guidance_scale': None})
    """
    unknown = set(given).difference(DRAWING + FLOW)
    if unknown:
        raise ValueError(
            f"No setting is called {', '.join(sorted(unknown))}: there are "
            f"{', '.join(DRAWING + FLOW)}."
        )
    asked = {key: given[key] for key in given if key in DRAWING}
    drawing = {**usual, **asked}
    strange = set(drawing).difference(DRAWING)
    if strange:
        raise ValueError(f"The model's sampling has {sorted(strange)}.")
    check_drawing(**drawing)
    return drawing, check_sampling(*map(given.get, FLOW))


def check_drawing(
    temperature=1.0,
    repetition_penalty=1.0,
    top_p=1.0,
    top_k=0,
    text_guidance=0.0,
):
    """Refuse settings of the language models that make no sense.

    Raises
    ------
    ValueError
        Naming the setting and its range.
    """
    check_whole(top_k, "top_k")
    values = temperature, repetition_penalty, top_p, top_k, text_guidance
    for name, value in zip(DRAWING, values):
        if not (isinstance(value, numbers.Real) and math.isfinite(value)):
            raise ValueError(f"{name}={value!r}: give a number.")
    wanted = {
        f"temperature={temperature}: give 0 (the likeliest token) or at least "
        f"{COLDEST}": temperature == 0 or temperature >= COLDEST,
        f"repetition_penalty={repetition_penalty}: give 1 (none) or more": (
            repetition_penalty >= 1
        ),
        f"top_p={top_p}: give a probability above 0, up to 1": 0 < top_p <= 1,
        f"top_k={top_k}: give a number of tokens, or 0 for all": (top_k >= 0),
        f"text_guidance={text_guidance}: give 0 (none) or more": (
            text_guidance >= 0
        ),
    }
    for complaint, holds in wanted.items():
        if not holds:
            raise ValueError(f"{complaint}.")

"""Start of a stage's training from the weights of another training.

What a stage has learned is of use for the same tokens, the same ids of text and
the same network only: anything else is refused with what to do about it.
"""

from pathlib import Path

from speechbrain_gogo.dataio.text.tokenizers import load_text_tokenizer
from speechbrain_gogo.inference.loading.export_speech import FOLDERS
from speechbrain_gogo.inference.loading.pretrained import (
    find_source,
    load_state,
)
from speechbrain_gogo.inference.loading.speech import load_stage

LLAMA_SIZES = (  # those that the shapes of weights do not tell are among them
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "intermediate_size",
    "rope_parameters",
)
STAGE_SIZES = (
    "offset",
    "codebook_size",
    "backbone_size",
    "num_tokens",
    "order",
)


def find_stage(source, stage):
    """The folder of stage 1 or 2 of a source.

    ``source`` is what ``export_speech_stage`` wrote, or a whole model: a
    folder, a bundled name or a hub id. Raises a ValueError if the model has no
    such stage.

    Example
    -------
    >>> find_stage("gogo-mini", 1).name
    'stage1'
    """
    folder = Path(source)
    if (folder / "config.json").is_file():
        return folder
    folder = find_source(source, speech=True)
    folder = folder / FOLDERS[stage - 1]
    if not (folder / "config.json").is_file():
        raise ValueError(
            f"'{source}' has no stage {stage} to start from ({folder} is not "
            "there): it may be a codec alone, or a model of a single stage."
        )
    return folder


def start_tokenizer(source, tokenizer=None):
    """The text tokenizer of the Stage I from which a training starts.

    ``source`` is as of :func:`find_stage`; ``tokenizer`` is the one that the
    training was told to have, of which None is that of ``source``. Raises a
    ValueError if it is another one: the stage would read wrong text.
    """
    theirs = load_text_tokenizer(find_stage(source, 1))
    if tokenizer is None or tokenizer.fingerprint == theirs.fingerprint:
        return theirs
    raise ValueError(
        f"start_from: the stage of '{source}' has learned text ids of a "
        f"tokenizer with fingerprint {theirs.fingerprint}, and text_tokenizer "
        f"has {tokenizer.fingerprint}. Set text_tokenizer to null, which "
        "takes that of the stage, or new_text to true, to learn the ids of text "
        "anew (as for letters that its tokenizer does not know)."
    )


def start_stage(lm, source, codec, new_text=False, new_codec=False):
    """Give a stage the weights of another one.

    ``lm`` gets the weights, before LoRA; ``source`` is as of
    :func:`find_stage`; ``codec`` is that of the tokens that it learns from. Of
    an AlignedBackboneLM the aligner comes along as it is: it has had its
    ``aligner_batches``, and learns on only if the new number is larger.

    With ``new_text``, what belongs to ids of text is left as it is, for another
    tokenizer, with another number of ids or not. An AlignedBackboneLM then
    trains its aligner for all of its ``aligner_batches``. With LoRA the ids of
    text learn in full, since they are outside the Llama, with and without
    ``shard_weights``. With ``new_codec``, the stage may speak the tokens of
    another codec, if their sizes are the same: it learns the new tokens from
    its weights.

    Raises a ValueError if the stage of ``source`` speaks another codec's tokens
    (without ``new_codec``), tokens of other sizes, or is another network, or
    ``new_text`` is of a class that cannot do so.

    Example
    -------
    >>> from speechbrain_gogo.inference import GogoCodec
    >>> from speechbrain_gogo.lobes.speech.aligned.stage1 import AlignedBackboneLM
    >>> codec = GogoCodec.from_hparams("gogo-mini")
    >>> lm = AlignedBackboneLM(64, [8, 8, 8, 5, 5], backbone_size=10, dim=128)
    >>> start_stage(lm, "gogo-mini", codec)
    Traceback (most recent call last):
    ...
    ValueError: start_from: the stage of 'gogo-mini' has dim 256, ...
    """
    folder = find_stage(source, lm.stage)
    try:
        found = load_stage(folder, codec, same_codec=not new_codec)
    except ValueError as error:
        raise ValueError(
            f"start_from: {error} Its tokens must be those of `codec`: give "
            "--codec the one that it was trained with, and tokenise the "
            "corpora with that one; or let it learn these tokens "
            "(--new_codec True)."
        ) from None
    theirs, ours = _numbers(found), _numbers(lm)
    state = found.state_dict()
    if new_text:
        check_text_state(lm)
        theirs.pop("text_size", None)
        ours.pop("text_size", None)
        own = lm.state_dict()
        state.update({name: own[name] for name in lm.text_state})
    other = [key for key in ours | theirs if ours.get(key) != theirs.get(key)]
    if other:
        told, wanted = (
            ", ".join(f"{key} {numbers.get(key)}" for key in other)
            for numbers in (theirs, ours)
        )
        raise ValueError(
            f"start_from: the stage of '{source}' has {told}, and this one "
            f"{wanted}. Give its numbers with --model, or start from nothing "
            "(--start_from null)."
        )
    load_state(lm, state, folder)


def check_text_state(lm):
    """Raise a ValueError if a stage cannot learn text anew (``new_text``)."""
    if not hasattr(lm, "text_state"):
        raise ValueError(
            f"new_text: a {type(lm).__name__} cannot learn text anew, an "
            "AlignedBackboneLM (aligned_stage1.yaml) can: set it to false, or "
            "start_from to null."
        )


def _numbers(lm):
    """What has to be equal for weights to mean the same."""
    numbers = {"class": type(lm).__name__}
    if hasattr(lm, "sizes"):
        numbers.update(lm.sizes)
        numbers.pop("max_positions", None)  # no weight knows them
        return numbers
    config = lm.llama.config.to_dict()
    numbers.update({key: config.get(key) for key in LLAMA_SIZES})
    numbers.update({key: getattr(lm, key, None) for key in STAGE_SIZES})
    return numbers

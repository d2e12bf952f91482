"""Loading of any text to speech of this package."""

from speechbrain_gogo.inference.codec import GogoCodec
from speechbrain_gogo.inference.cofi import CoFiCodec
from speechbrain_gogo.inference.cofi_speech import CoFiSpeech
from speechbrain_gogo.inference.open_codec import codec_class
from speechbrain_gogo.inference.socodec import SoCodec
from speechbrain_gogo.inference.socodec_speech import SoCodecSpeech
from speechbrain_gogo.inference.speech import GogoSpeech

# The codec of a model's folder, and the text to speech with its tokens.
SPEAKS = {GogoCodec: GogoSpeech, SoCodec: SoCodecSpeech, CoFiCodec: CoFiSpeech}


def open_speech(
    source, savedir=None, run_opts=None, one_utterance=False, **options
):
    """Load a text to speech of any class.

    Arguments
    ---------
    source : str | Path
        A folder, a bundled name ("gogo-mini"), or a hub id: a codec's, with
        ``speech.yaml`` in it.
    savedir : str | Path
        Folder for files from the hub; its own cache by default.
    run_opts : dict
        SpeechBrain run options, such as ``{"device": "cuda"}``.
    one_utterance : bool
        Skip steps that only save time for many utterances, such as compiling.
    **options
        Others of ``from_hparams``, such as ``trust_source``.

    Returns
    -------
    PretrainedSpeech
        GogoSpeech, SoCodecSpeech or CoFiSpeech.

    Raises
    ------
    ValueError
        If there is no such model, it cannot speak, is not to be trusted, or
        its weights do not match.

    Example
    -------
    >>> speech = open_speech("gogo-mini")
    >>> speech.sample_rate
    24000
    """
    kind = SPEAKS[codec_class(source, savedir, options)]
    if one_utterance:
        given = options.pop("overrides", None) or {}
        options["overrides"] = {**kind.ONE_UTTERANCE, **given}
    return kind.from_hparams(
        source, savedir=savedir, run_opts=run_opts, **options
    )

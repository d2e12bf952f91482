"""Published weights that judges need."""

from pathlib import Path


def load_weights(load, source, user, probe=None):
    """Load published weights by ``load(source)``, or say how to get them.

    ``user`` is the name of the metric, for the message. ``probe`` is a small
    file of a Hugging Face repository, which is requested first: without a
    network, libraries that try many files would take minutes to fail.

    Example
    -------
    >>> load_weights(str.upper, "some/model", "a judge")
    'SOME/MODEL'
    """
    try:
        if probe is not None and not Path(source).is_dir():
            from huggingface_hub import hf_hub_download

            hf_hub_download(str(source), probe)
        return load(source)
    except Exception as error:  # each hub's client has its own errors
        reason = (str(error).strip() or "no reason given").splitlines()[0]
        raise ValueError(
            f"{user} needs {source}, which could not be loaded "
            f"({type(error).__name__}: {reason}). Where there is no network, "
            "fetch it elsewhere and give the place of the copy instead."
        ) from error

"""What several commands of `gogo` do: load, check settings, work, and tell."""

import typer


def load(codec, device, trust_source, speaks=False):
    """The codec on its device, or all of a model that speaks.

    A ValueError tells what is wrong with either.
    """
    import torch

    from speechbrain_gogo.inference import GogoCodec, GogoSpeech

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"No device '{device}' here: {reason}") from None
    settings = {"run_opts": {"device": device}, "trust_source": trust_source}
    if not speaks:
        return GogoCodec.from_hparams(codec, **settings)
    # To compile takes longer than to say one thing.
    return GogoSpeech.from_hparams(
        codec, overrides={"compiled": False}, **settings
    )


def describe(spoken, path):
    """What was spoken, in a line."""
    return (
        f"{path}: {spoken.seconds:.2f} s, {spoken.token_rate:.1f} tokens/s, "
        f"first sound after {spoken.first_audio:.2f} s, real-time factor "
        f"{spoken.real_time_factor:.2f}"
        f"{'' if spoken.finished else ', cut off: it did not come to an end'}"
    )


def sampling(codec, keep, steps, guidance, seed):
    """Settings of a decoding, checked before anything is computed."""
    if keep is not None and not 1 <= keep <= codec.num_codebooks:
        raise ValueError(
            f"--keep {keep} is outside 1..{codec.num_codebooks}, the tokens "
            f"of a group of '{codec.name}'."
        )
    if steps is not None and steps < 1:
        raise ValueError(f"--steps {steps}: take at least one.")
    return {
        "keep": keep,
        "num_steps": steps,
        "guidance_scale": guidance,
        "seed": seed,
    }


def allocation(allocate, target_rate):
    """Settings of an allocation, checked before anything is computed."""
    if target_rate is not None and not allocate:
        raise ValueError(
            f"--target-rate {target_rate} is the allocator's: add --allocate."
        )
    return {"allocate": allocate, "target_rate": target_rate}


def run_all(pairs, work):
    """Do the work on each pair; of several, a bad one stops no other."""
    failed = 0
    for source, target in pairs:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            typer.echo(f"{target}: {work(source, target)}")
        except Exception as error:
            if not for_people(error):
                raise
            if len(pairs) == 1:
                raise ValueError(error) from None
            complain(f"{source}: {error}")
            failed += 1
    if failed:
        raise ValueError(f"{failed} of {len(pairs)} files failed.")


def for_people(error):
    """Whether an error is of what was given or installed, not of ours."""
    from safetensors import SafetensorError
    from soundfile import LibsndfileError

    known = (
        ImportError,
        LibsndfileError,
        OSError,
        SafetensorError,
        ValueError,
    )
    return isinstance(error, known)


def complain(fault):
    """Tell a fault, however many lines it has, in one line of stderr."""
    typer.echo(f"gogo: {' '.join(str(fault).split())}", err=True)

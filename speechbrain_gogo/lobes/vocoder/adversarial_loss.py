"""Adversarial losses of a vocoder (Siuzdak, 2023, Vocos).

Hinge losses and feature matching come from the vocos package. Here they are
averaged over the periods or resolutions of a discriminator, so that their
number does not change its weight.
"""

from vocos.loss import DiscriminatorLoss, FeatureMatchingLoss, GeneratorLoss


def generator_losses(discriminators, predicted, wavs):
    """Adversarial and feature matching losses of the vocoder, scalars by name.

    They are "{name} adversarial" and "{name} matching" of each of the
    discriminators, name to one of the vocos package. Waveforms, the vocoder's
    and the true ones, are [B, T].

    Example
    -------
    >>> import torch
    >>> from vocos.discriminators import MultiResolutionDiscriminator
    >>> judges = {"mrd": MultiResolutionDiscriminator(fft_sizes=(64,))}
    >>> wavs = torch.randn(1, 640)
    >>> losses = generator_losses(judges, wavs, wavs)
    >>> float(losses["mrd matching"].detach())
    0.0
    """
    losses = {}
    for name, discriminator in discriminators.items():
        _, scores, real, fake = discriminator(y=wavs, y_hat=predicted)
        adversarial = GeneratorLoss()(scores)[0].squeeze()
        matching = FeatureMatchingLoss()(real, fake).squeeze()
        losses[f"{name} adversarial"] = adversarial / len(scores)
        losses[f"{name} matching"] = matching / len(scores)
    return losses


def discriminator_loss(discriminators, predicted, wavs, weights):
    """The hinge loss of the discriminators on real and vocoded audio, a scalar.

    As in :func:`generator_losses`, but ``predicted`` is detached from the
    vocoder; ``weights`` has one for each name.
    """
    loss = 0.0
    for name, discriminator in discriminators.items():
        real, fake, _, _ = discriminator(y=wavs, y_hat=predicted)
        part = DiscriminatorLoss()(real, fake)[0].squeeze() / len(real)
        loss = loss + weights[name] * part
    return loss

"""Adversarial losses of a vocoder (Siuzdak, 2023, Vocos).

Hinge losses and feature matching come from the vocos package. Here they are
averaged over the periods or resolutions of a discriminator, so that their
number does not change its weight.
"""

from vocos.loss import DiscriminatorLoss, FeatureMatchingLoss, GeneratorLoss


def generator_losses(discriminators, predicted, wavs):
    """Adversarial and feature matching losses of the vocoder.

    Arguments
    ---------
    discriminators : dict
        Name to a discriminator of the vocos package.
    predicted : torch.Tensor
        The vocoder's waveforms, shape [B, T].
    wavs : torch.Tensor
        The true ones, shape [B, T].

    Returns
    -------
    dict
        Scalars "{name} adversarial" and "{name} matching" for each of them.

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
    """The hinge loss of the discriminators on real and vocoded audio.

    Arguments
    ---------
    discriminators : dict
        Name to a discriminator of the vocos package.
    predicted : torch.Tensor
        The vocoder's waveforms, shape [B, T], detached from it.
    wavs : torch.Tensor
        The true ones, shape [B, T].
    weights : dict
        Name to the weight of a discriminator.

    Returns
    -------
    torch.Tensor
        Scalar.
    """
    loss = 0.0
    for name, discriminator in discriminators.items():
        real, fake, _, _ = discriminator(y=wavs, y_hat=predicted)
        part = DiscriminatorLoss()(real, fake)[0].squeeze() / len(real)
        loss = loss + weights[name] * part
    return loss

"""Probes: networks that predict a feature from the tokens at a position.

Appendix H of the Gogo paper: three fully connected layers with ReLU and dropout, one
network for every position and every feature. All are trained at once: a layer of all
networks is one batched matrix product, and in the sum of the losses each network has
the gradient of its own loss.
"""

import copy
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F
from tqdm import trange


class PositionProbes(nn.Module):
    """P x F networks, each from one position's embedding to one feature.

    P is the number of tokens of a group, F that of features; ``in_dim`` is the
    width of the embeddings, ``hidden`` those of the hidden layers, after each
    of which there is dropout.

    Example
    -------
    >>> probes = PositionProbes(10, 17, 32, [512, 128])
    >>> probes(torch.zeros(4, 10, 32)).shape
    torch.Size([4, 10, 17])
    """

    def __init__(
        self,
        num_positions,
        num_features,
        in_dim,
        hidden=(512, 128),
        dropout=0.1,
    ):
        super().__init__()
        # As in nn.Linear, but the last layer starts with the mean, 0.
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for width_in, width in zip((in_dim, *hidden), (*hidden, 1)):
            shape = num_positions, num_features
            bound = width_in**-0.5
            for parts, rows in ((self.weights, width_in), (self.biases, 1)):
                part = torch.empty(*shape, rows, width)
                parts.append(nn.Parameter(part.uniform_(-bound, bound)))
        for last in (self.weights[-1], self.biases[-1]):
            nn.init.zeros_(last)
        self.dropout = nn.Dropout(dropout)

    def forward(self, embeddings):
        """Predict features, [B, P, F], from embeddings [B, P, D]."""
        h = embeddings.transpose(0, 1).unsqueeze(1)  # [P, 1, B, D]
        for place, (weight, bias) in enumerate(zip(self.weights, self.biases)):
            if place > 0:
                h = self.dropout(F.relu(h))
            h = h @ weight + bias  # [P, F, B, width]
        return h.squeeze(-1).permute(2, 0, 1)


class Scale(NamedTuple):
    """Mean and deviation over clips, for standardization."""

    mean: torch.Tensor
    deviation: torch.Tensor

    @classmethod
    def of(cls, values):
        """Of the known values, [M, ...]; a constant has deviation 1."""
        mean = values.nanmean(0)
        deviation = (values - mean).square().nanmean(0).sqrt()
        return cls(mean, torch.where(deviation > 0, deviation, 1.0))

    def apply(self, values):
        """Standardise values [M, ...], in float32."""
        return ((values - self.mean) / self.deviation).float()


def fit_probes(
    probes,
    train,
    valid,
    opt_class,
    num_steps,
    batch_size,
    valid_interval,
    patience,
    seed,
):
    """Train all probes in place, with early stopping for each of them.

    A probe starts with the mean of the training clips, and keeps it if training
    does not reduce its validation loss; each gets its best weights. ``train``
    and ``valid`` are embeddings [M, P, D] and targets [M, F], both
    standardised; NaN where a target is not known. A probe has stopped after
    ``patience`` validations without a better loss; training ends when all have.
    Gives the best validation losses, [P, F].
    """
    inputs, targets = train
    optimizer = opt_class(probes.parameters())
    generator = torch.Generator().manual_seed(seed)
    kept = copy.deepcopy(probes)
    best = score_probes(probes, *valid, batch_size).nanmean(0)  # [P, F]
    waited = torch.zeros_like(best)  # validations since its best loss
    progress = trange(1, num_steps + 1, desc=f"probes, seed {seed}")
    for step in progress:
        chosen = torch.randint(len(inputs), (batch_size,), generator=generator)
        chosen = chosen.to(inputs.device)
        probes.train()
        losses = mean_errors(probes(inputs[chosen]), targets[chosen])
        optimizer.zero_grad()
        losses.sum().backward()
        optimizer.step()
        if step % valid_interval and step != num_steps:
            continue
        losses = score_probes(probes, *valid, batch_size).nanmean(0)
        better = (losses < best) & (waited < patience)
        best = torch.where(better, losses, best)
        waited = torch.where(better, 0, waited + 1)
        for old, new in zip(kept.parameters(), probes.parameters()):
            old.data[better] = new.data[better]
        learning = int((waited < patience).sum())
        progress.set_postfix(loss=f"{best.mean():.4f}", learning=learning)
        if not learning:
            break
    progress.close()
    probes.load_state_dict(kept.state_dict())
    return best


@torch.no_grad()
def score_probes(probes, inputs, targets, batch_size):
    """Squared errors [M, P, F] of every probe on every clip, without dropout.

    Inputs are [M, P, D], targets [M, F]; NaN where one is not known.
    """
    probes.eval()
    predicted = torch.cat([probes(part) for part in inputs.split(batch_size)])
    return squared_errors(predicted, targets)


def squared_errors(predicted, targets):
    """[B, P, F] and [B, F] -> [B, P, F], NaN where a target is not known."""
    return (predicted - targets.unsqueeze(1)).square()


def mean_errors(predicted, targets):
    """Mean over the clips with a known target, 0 where there is none: [P, F].

    Predictions are [B, P, F], targets [B, F], NaN where one is not known; these
    are removed before the square, or the gradients would be NaN.
    """
    known = ~targets.isnan()
    errors = squared_errors(predicted, targets.nan_to_num())
    return (errors * known.unsqueeze(1)).sum(0) / known.sum(0).clamp_min(1)

"""Probes: networks that predict a feature from the tokens at a position.

Appendix H of the Gogo paper: three fully connected layers with ReLU and dropout, one
network for every pair of a position and a feature. All are trained at once: a layer of
all networks is one batched matrix product. The loss is the sum of theirs, so the
gradient of each network is that of its own loss.
"""

import copy
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F
from tqdm import trange


class PositionProbes(nn.Module):
    """P x F networks, each from one position's embedding to one feature.

    P is the number of tokens of a group, F the number of features; ``in_dim``
    is the width of the embeddings, ``hidden`` has the widths of the hidden
    layers. Dropout follows each of these.

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
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for width_in, width in zip((in_dim, *hidden), (*hidden, 1)):
            bound = width_in**-0.5  # as in nn.Linear
            for tensors, rows in ((self.weights, width_in), (self.biases, 1)):
                drawn = torch.empty(num_positions, num_features, rows, width)
                tensors.append(nn.Parameter(drawn.uniform_(-bound, bound)))
        # At first, all predict the mean, which standardization makes 0.
        nn.init.zeros_(self.weights[-1])
        nn.init.zeros_(self.biases[-1])
        self.dropout = nn.Dropout(dropout)

    def forward(self, embeddings):
        """Predict features, [B, P, F], from embeddings [B, P, D]."""
        h = embeddings.transpose(0, 1).unsqueeze(1)  # [P, 1, B, D]
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases)):
            if layer > 0:
                h = self.dropout(F.relu(h))
            h = h @ weight + bias  # [P, F, B, width]
        return h.squeeze(-1).permute(2, 0, 1)


class Scale(NamedTuple):
    """Mean and deviation over clips, for standardization."""

    mean: torch.Tensor
    deviation: torch.Tensor

    @classmethod
    def of(cls, values):
        """Of the values [M, ...] that are not NaN; a constant has deviation 1."""
        mean = values.nanmean(0)
        deviation = (values - mean).square().nanmean(0).sqrt()
        # Rounding of the mean may give a constant a deviation of 1e-17.
        offsets = values - values.nanmedian(0).values
        varies = offsets.nan_to_num().bool().any(0)
        return cls(mean, torch.where(varies, deviation, 1.0))

    def apply(self, values):
        """Standardised values [M, ...], in float32."""
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

    ``train`` and ``valid`` are embeddings [M, P, D] and targets [M, F], both
    standardised; a target that is not known is NaN. At the end, each probe has
    the weights with its best validation loss, possibly the initial ones. A
    probe stops after ``patience`` validations without a better loss, and the
    training when all probes have stopped. ``seed`` draws the batches; dropout
    depends on torch's global generator. Gives the best validation losses,
    [P, F].
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

    Inputs are [M, P, D], targets [M, F]. Targets that are not known are NaN, and
    so are their errors.
    """
    probes.eval()
    predicted = torch.cat([probes(part) for part in inputs.split(batch_size)])
    return squared_errors(predicted, targets)


def squared_errors(predicted, targets):
    """Of predictions [B, P, F] and targets [B, F]: [B, P, F], NaN if unknown."""
    return (predicted - targets.unsqueeze(1)).square()


def mean_errors(predicted, targets):
    """Mean squared errors over the clips with a known target, [P, F].

    Predictions are [B, P, F], targets [B, F]. Targets that are not known, NaN,
    are replaced before the square: multiplied by 0 after it, they would still
    give gradients of NaN. Without any known target, the mean is 0.
    """
    known = ~targets.isnan()
    errors = squared_errors(predicted, targets.nan_to_num())
    return (errors * known.unsqueeze(1)).sum(0) / known.sum(0).clamp_min(1)

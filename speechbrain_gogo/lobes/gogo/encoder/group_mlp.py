"""A small encoder for a group: a residual MLP over all of its frames.

It replaces the :class:`GroupEncoder` of gogo.yaml and also reads a single group
(Eq. 1). A group of 20 frames is one vector, instead of 20 frames and 10 queries
as positions of a Transformer. Not in the paper.

The output is the sum of a linear path and a residual MLP. Both read a few
linear components of the group. The MLP starts at zero, so that training starts
from the linear path that :func:`start_as_components` sets.

Letters: M groups of a batch, g frames per group, d mel bins, R components, K
tokens per group, D width of a token's feature.
"""

from torch import nn
from torch.nn import functional as F

from speechbrain_gogo.lobes.gogo.encoder.group_encoder import IndependentGroups


class ResidualMLP(nn.Module):
    """x + W2 gelu(W1 norm(x)), which starts as the identity."""

    def __init__(self, dim, hidden_dim):
        super().__init__()
        self.norm = nn.RMSNorm(dim)
        self.expand = nn.Linear(dim, hidden_dim)
        self.contract = nn.Linear(hidden_dim, dim)
        nn.init.zeros_(self.contract.weight)
        nn.init.zeros_(self.contract.bias)

    def forward(self, x):
        """x [..., dim] -> [..., dim]."""
        hidden = F.gelu(self.expand(self.norm(x)), approximate="tanh")
        return x + self.contract(hidden)


class GroupMLPEncoder(IndependentGroups, nn.Module):
    """Mel groups to one feature per token.

    Arguments
    ---------
    n_mels : int
        Mel bins d.
    group_size : int
        Frames per group, g.
    num_queries : int
        Tokens per group, K.
    dim : int
        Width D of a token's feature.
    num_components : int
        Linear components of a group that are read, R.
    hidden_dim : int
        Width of the residual stream.
    ffn_dim : int
        Width between the matrices of a layer.
    num_layers : int
        Residual MLPs.

    Example
    -------
    >>> import torch
    >>> encoder = GroupMLPEncoder(10, 4, 3, 5, 8, 16, 32, 2)
    >>> encoder(torch.randn(7, 4, 10)).shape
    torch.Size([7, 3, 5])
    """

    def __init__(
        self,
        n_mels=100,
        group_size=20,
        num_queries=10,
        dim=6,
        num_components=300,
        hidden_dim=640,
        ffn_dim=1280,
        num_layers=2,
    ):
        super().__init__()
        self.group_size = group_size
        self.num_queries = num_queries
        self.dim = dim
        self.analysis = nn.Linear(group_size * n_mels, num_components)
        self.linear = nn.Linear(num_components, num_queries * dim, bias=False)
        self.project_in = nn.Linear(num_components, hidden_dim)
        self.layers = nn.Sequential(
            *[ResidualMLP(hidden_dim, ffn_dim) for _ in range(num_layers)]
        )
        self.norm = nn.RMSNorm(hidden_dim)
        self.project_out = nn.Linear(hidden_dim, num_queries * dim)
        nn.init.zeros_(self.project_out.weight)
        nn.init.zeros_(self.project_out.bias)

    def forward(self, groups, num_queries=None):
        """As GroupEncoder.forward: [M, g, d] -> [M, num_queries, D]."""
        components = self.analysis(groups.flatten(1))  # [M, R]
        x = self.norm(self.layers(self.project_in(components)))
        features = self.linear(components) + self.project_out(x)  # [M, K * D]
        return features.unflatten(1, (-1, self.dim))[:, :num_queries]

"""Codebooks updated by moving averages of the vectors assigned to them.

SoCodec and CoFi-Codec use them (Section 5.2, decay 0.99): nearest neighbours,
k-means of the first batch, exponential moving averages of counts and sums, and
the straight-through gradient.

Letters: G codebooks side by side, M vectors, C codes, d dimensions.
"""

import torch
from torch import nn

EPSILON = 1e-5  # is added to every count, so that none is zero
ROUNDS = 50  # of k-means


class EMACodebooks(nn.Module):
    """Several codebooks, each with its own vectors.

    Arguments
    ---------
    num_codebooks : int
        G.
    codebook_size : int
        C.
    dim : int
        d.
    decay : float
        Decay of the moving averages, from update to update.
    rare_uses : float
        A code whose average use per update is below this number is replaced by
        a vector of the batch. 0 disables it, as in the released configuration.

    Example
    -------
    >>> codebooks = EMACodebooks(8, 128, 16)
    >>> x = torch.randn(8, 300, 16)
    >>> codes, ids = codebooks(x)
    >>> codes.shape, ids.shape
    (torch.Size([8, 300, 16]), torch.Size([8, 300]))
    """

    def __init__(
        self, num_codebooks, codebook_size, dim, decay=0.99, rare_uses=0.0
    ):
        super().__init__()
        self.rare_uses = rare_uses
        self.decay = decay
        shape = num_codebooks, codebook_size, dim
        self.register_buffer("embed", torch.zeros(shape))
        self.register_buffer("embed_avg", torch.zeros(shape))
        self.register_buffer("cluster_size", torch.zeros(shape[:2]))
        self.register_buffer("initialized", torch.zeros(num_codebooks))

    def nearest(self, x):
        """Ids int64 [G, M] of the codes nearest to x [G, M, d]."""
        return _nearest(x, self.embed)

    def forward(self, x):
        """Quantize x [G, M, d]; in training also update the codebooks.

        Gives codes [G, M, d] before the update, and ids int64 [G, M].
        """
        learning = self.training and torch.is_grad_enabled()
        if learning and not self.initialized.all():
            self._initialize(x.detach())
        ids = self.nearest(x)
        codes = torch.stack([book[i] for book, i in zip(self.embed, ids)])
        if learning:
            self._follow(x.detach(), ids)
        return codes, ids

    @torch.no_grad()
    def _initialize(self, x):
        """k-means of the vectors of all processes."""
        means, counts = kmeans(_gather(x), self.embed.shape[1])
        self.embed.copy_(means)
        self.cluster_size.copy_(counts)
        # A sum, as the update below needs. (With means here, as the released
        # configuration would have it, the first update divides the codes by
        # their counts.)
        self.embed_avg.copy_(means * counts.unsqueeze(-1))
        self.initialized.fill_(1)

    @torch.no_grad()
    def _follow(self, x, ids):
        """Update counts, sums and codes; vectors that are not finite are ignored."""
        if x.shape[1] == 0 or not x.isfinite().all():
            x, ids = x[:, :0], ids[:, :0]
        counts, sums = _add_up(x.to(self.embed), ids, self.embed.shape[1])
        if torch.distributed.is_initialized():
            torch.distributed.all_reduce(counts)
            torch.distributed.all_reduce(sums)
        if counts.sum() == 0:
            return
        self.cluster_size.lerp_(counts, 1 - self.decay)
        self.embed_avg.lerp_(sums, 1 - self.decay)
        total = self.cluster_size.sum(-1, keepdim=True)
        codes = self.embed.shape[1]
        smoothed = total * (self.cluster_size + EPSILON)
        smoothed = smoothed / (total + codes * EPSILON)
        self.embed.copy_(self.embed_avg / smoothed.unsqueeze(-1))
        rare = self.cluster_size < self.rare_uses
        if rare.any():
            self._replace(rare, _gather(x))

    def _replace(self, rare, x):
        """Replace codes, bool [G, C], by evenly chosen vectors of x [G, M, d]."""
        size = self.embed.shape[1]
        places = torch.arange(size, device=x.device) * x.shape[1] // size
        fresh = x[:, places]  # [G, C, d]
        self.embed[rare] = fresh[rare]
        self.embed_avg[rare] = self.rare_uses * fresh[rare]
        self.cluster_size[rare] = self.rare_uses


def kmeans(x, num_clusters):
    """Means of clusters, from randomly chosen vectors.

    x [G, M, d], G sets of vectors -> means [G, C, d], C = ``num_clusters`` of
    each set, and numbers of assigned vectors, [G, C]. An empty cluster keeps
    its mean.
    """
    vectors = x.shape[1]
    # All processes draw the same, since each has all vectors.
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(vectors, generator=generator)
    chosen = order.repeat(-(-num_clusters // vectors))[:num_clusters]
    means = x[:, chosen.to(x.device)]
    for _ in range(ROUNDS):
        ids = _nearest(x, means)
        counts, sums = _add_up(x, ids, num_clusters)
        moved = sums / counts.clamp(min=1).unsqueeze(-1)
        means = torch.where(counts.unsqueeze(-1) > 0, moved, means)
    return means, counts


def _nearest(x, codes):
    """Ids [G, M] of the codes [G, C, d] nearest to x [G, M, d]."""
    products = x @ codes.transpose(1, 2)  # [G, M, C]
    own = x.square().sum(-1, keepdim=True)
    return (own - 2 * products + codes.square().sum(-1)[:, None]).argmin(-1)


def _add_up(x, ids, num_codes):
    """Numbers [G, C] and sums [G, C, d] of the vectors [G, M, d] of each code."""
    counts = x.new_zeros(len(x), num_codes)
    counts.scatter_add_(1, ids, torch.ones_like(ids, dtype=x.dtype))
    sums = x.new_zeros(len(x), num_codes, x.shape[2])
    places = ids.unsqueeze(-1).expand(-1, -1, x.shape[2])
    return counts, sums.scatter_add_(1, places, x)


def _gather(x):
    """The vectors [G, M, d] of all processes; M differs between them."""
    if not torch.distributed.is_initialized():
        return x
    parts = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(parts, x.cpu())
    return torch.cat(parts, dim=1).to(x)

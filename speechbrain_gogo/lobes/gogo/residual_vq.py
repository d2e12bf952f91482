"""Residual vector quantization, from the vector-quantize-pytorch library.

The quantizer of the frame-wise baselines (Section 5.2), with the members of
quantizer.py. The class has a name of this package so that a model's YAML names
code of this package only (see inference/loading/pretrained.py).
"""

import contextlib

import torch
import vector_quantize_pytorch
from torch.nn import functional as F


class ResidualVQ(vector_quantize_pytorch.ResidualVQ):
    """Residual vector quantization: each layer quantizes the remaining error.

    The features of the levels are the codes of the layers, so the sum of any
    prefix is a coarser approximation. One layer is plain vector quantization.
    Codebooks are moving averages of the features assigned to them; a rarely
    used code is replaced by a feature of the batch.

    Arguments
    ---------
    dim : int
        Dimension of the features and of the codes, D.
    num_layers : int
        Layers K.
    codebook_size : int
        Codes of each layer.
    decay : float
        Decay of the moving averages, from update to update.
    rare_share : float
        A code is replaced if its use is below this share of the average use in
        its layer.
    commitment_weight : float
        Weight of the loss that keeps features near their codes; this is the sum
        over the layers.

    Example
    -------
    >>> q, tokens = ResidualVQ(16, 4, 32)(torch.randn(7, 1, 16))
    >>> q.shape, tokens.shape
    (torch.Size([7, 4, 16]), torch.Size([7, 4]))
    """

    residual = True
    signature = ()

    def __init__(
        self,
        dim,
        num_layers,
        codebook_size,
        decay=0.99,
        rare_share=0.1,
        commitment_weight=0.25,
    ):
        distributed = torch.distributed
        synchronized = distributed.is_initialized()
        synchronized = synchronized and distributed.get_world_size() > 1
        super().__init__(
            dim=dim,
            num_quantizers=num_layers,
            codebook_size=codebook_size,
            decay=decay,
            threshold_ema_dead_code=1,  # set for each batch in _learn
            commitment_weight=commitment_weight,
            rotation_trick=False,
            sync_codebook=synchronized,
        )
        self.synchronized = synchronized
        self.dim = dim
        self.tokens_per_feature = num_layers
        self.rare_share = rare_share
        self.commitment = None
        self.register_buffer("updates", torch.tensor(0))

    def forward(self, features):
        """Quantize features [M, 1, D]; in training also update the codebooks.

        Gives codes [M, K, D] and tokens int64 [M, K]. The gradient of the sum of any
        prefix passes to the features: the first layer, which is in all of them,
        carries it.
        """
        x = features.transpose(0, 1)  # [1, M, D]
        learning = self.training and torch.is_grad_enabled()
        # The weights skip a batch that is not finite; so must the codebooks.
        count = self._count_usable(features) if learning else 0
        learning = count > 0
        with self._learn(x, count) if learning else contextlib.nullcontext():
            before = self.codebooks  # a copy
            _, tokens, losses = super().forward(x, freeze_codebook=not learning)
        self.commitment = losses.sum() if learning else None
        tokens = tokens[0]  # [M, K]
        levels = torch.arange(len(before), device=tokens.device)
        through = features - features.detach()  # 0, but for its gradient
        through = F.pad(through, (0, 0, 0, len(before) - 1))  # [M, K, D]
        return before[levels, tokens] + through, tokens

    def _count_usable(self, features):
        """Features [M, 1, D] of all ranks; 0 if those of any are unusable.

        Ranks have different batches, but update the same codebooks: a rank that
        decided differently would wait for the others forever.
        """
        usable = len(features) > 0 and bool(features.isfinite().all())
        counts = torch.tensor([len(features), not usable])
        if self.synchronized:
            counts = counts.to(features.device)
            torch.distributed.all_reduce(counts)
        count, unusable = counts.tolist()
        return 0 if unusable else count

    @contextlib.contextmanager
    def _learn(self, x, count):
        """Context in which x [1, M, D] updates the codebooks.

        All ranks together have ``count`` features. Random draws depend on the
        number of updates, so that they are the same after a resume.
        """
        books = [layer._codebook for layer in self.layers]
        uses = count / self.codebook_size  # of a code, on average
        with torch.random.fork_rng([x.device] if x.is_cuda else []):
            torch.manual_seed(int(self.updates))
            for book in books:
                book.threshold_ema_dead_code = self.rare_share * uses
                book.reset_cluster_size = self.rare_share * uses
                book.initted.logical_and_(self.updates > 0)
            if not books[0].initted:  # the library starts with k-means
                with torch.no_grad():
                    super().forward(x, freeze_codebook=True)
            yield
        self.updates += 1

    def embed(self, tokens):
        """int64 [B, N, K or fewer] -> codes [B, N, K or fewer, D]."""
        levels = torch.arange(tokens.shape[-1], device=tokens.device)
        return self.codebooks[levels, tokens]

"""Perplexity of the tokens of each position (Appendix I).

Column j of the token matrix is a sequence of one token per group, with its own
small LLaMA-style model. The models are trained together and share no weights.

Letters: B batch, N groups, K tokens per group, C codes, P real tokens of a batch.
"""

import torch
from torch import nn
from torch.nn import functional as F

from speechbrain_gogo.lobes.nn.lengths import length_mask
from speechbrain_gogo.lobes.speech.llama import speech_llama


class ColumnLM(nn.Module):
    """A language model for each of the first K columns of a token matrix.

    Arguments
    ---------
    num_tokens : int
        Number of columns K; tokens may have more.
    codebook_size : int
        Codes C; the id that follows them starts a sequence.
    dim : int
        Hidden dimension of each model.
    num_layers : int
        Blocks.
    num_heads : int
        Attention heads.
    ffn_dim : int
        Feed-forward dimension.

    Example
    -------
    >>> lm = ColumnLM(3, 80, 16, 2, 2, 32)
    >>> tokens = torch.randint(80, (2, 4, 10))
    >>> out = lm(tokens, torch.tensor([1.0, 0.5]))
    >>> out["loss"].shape, out["nll"].shape  # 4 * 3 + 2 * 3
    (torch.Size([]), torch.Size([18]))
    """

    stage = 2  # as Stage II, it reads no text and predicts no end

    def __init__(
        self,
        num_tokens,
        codebook_size,
        dim=256,
        num_layers=6,
        num_heads=4,
        ffn_dim=768,
    ):
        super().__init__()
        self.num_tokens = num_tokens
        self.codebook_size = codebook_size
        self.llamas = nn.ModuleList(
            speech_llama(codebook_size + 1, dim, num_layers, num_heads, ffn_dim)
            for _ in range(num_tokens)
        )

    def losses(self, tokens):
        """Negative log-likelihood of each token, given its predecessors (Eq. 19).

        tokens int64 [B, N, K or more] -> [B, N, K], in nats.
        """
        pairs = zip(self.llamas, tokens.unbind(2))
        return torch.stack([self._column(*pair) for pair in pairs], dim=2)

    def _column(self, llama, ids):
        """Negative log-likelihood of one column [B, N]."""
        inputs = F.pad(ids[:, :-1], (1, 0), value=self.codebook_size)
        hidden = llama.model(input_ids=inputs).last_hidden_state
        codes = llama.lm_head.weight[: self.codebook_size]
        logits = F.linear(hidden, codes).float().transpose(1, 2)  # [B, C, N]
        return F.cross_entropy(logits, ids, reduction="none")

    def forward(self, tokens, lens):
        """Losses of a padded batch.

        Arguments
        ---------
        tokens : torch.Tensor
            int64 [B, N, K or more].
        lens : torch.Tensor
            Relative lengths [B] over N.

        Returns
        -------
        dict
            "loss", the sum of the means of the columns, so that models do not
            affect each other; "nll" [P], the negative log-likelihood of each
            token; and "level" int64 [P], its column.
        """
        real = length_mask(lens, tokens.shape[1])  # [B, N]
        nll = self.losses(tokens)[real]  # [P / K, K]
        level = torch.arange(self.num_tokens, device=nll.device)
        return {
            "loss": nll.mean(0).sum(),
            "nll": nll.flatten(),
            "level": level.expand_as(nll).flatten(),
        }

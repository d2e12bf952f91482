"""Auxiliary networks of the training, which inference does not need.

Appendix B: the autoregressive prior, which makes a group's tokens predictable
from the coarser ones, and the ASR head, which makes them represent text. Section
3.1.3: the balancer, which directs coarse tokens to linguistic content and fine
tokens to acoustic detail.
"""

import torch
from torch import nn
from torch.nn import functional as F

from speechbrain_gogo.lobes.nn.lengths import count_steps
from speechbrain_gogo.lobes.nn.llama import Llama, causal_mask
from speechbrain_gogo.lobes.tokens.granular import scale_gradient

BOS, EOS = 1, 2  # ids that start and end a text


class LossBalancer(nn.Module):
    """Loss weights from the number of kept tokens (Eq. 5).

    Arguments
    ---------
    num_levels : int
        Tokens per group, n_q.
    minimum : float
        lambda_min.
    maximum : float
        lambda_max.

    Example
    -------
    >>> cfm, asr = LossBalancer(10)(torch.tensor([1, 10]))
    >>> cfm.numpy().round(1).tolist() == asr.numpy().round(1).tolist()[::-1]
    True
    >>> [round(weight, 1) for weight in cfm.tolist()]
    [0.2, 1.8]
    """

    def __init__(self, num_levels, minimum=0.2, maximum=1.8):
        super().__init__()
        self.num_levels = num_levels
        self.minimum = minimum
        self.maximum = maximum

    def forward(self, n_keep):
        """n_keep int64 [B] -> lambda_cfm [B], lambda_asr [B]."""
        span = self.maximum - self.minimum
        share = (n_keep - 1) / max(self.num_levels - 1, 1)
        return self.minimum + share * span, self.maximum - share * span


class ARPrior(nn.Module):
    """Predicts each token's feature from the coarser ones (Eq. 17).

    Arguments
    ---------
    dim : int
        Dimension of the quantized features.
    num_layers : int
        LLaMA-style layers.
    num_heads : int
        Attention heads.
    ffn_dim : int
        Feed-forward dimension.
    learning_rate_factor : float
        Factor of the learning rate of the prior's own weights, which the Brain
        applies. Section 4.1 amplifies their gradient by 50 "to ensure effective
        updates"; AdamW, which divides by the gradient's size, would undo that.
        LARP (Wang et al., 2025), whose prior this is, multiplies the learning
        rate.
    gradient_scale : float
        The literal reading of Section 4.1: the gradients of the prior's own
        weights are multiplied by this, those of the tokens are not. It has an
        effect with optimizers such as SGD.

    Example
    -------
    >>> prior = ARPrior(16, 2, 2, 32)
    >>> prior(torch.randn(7, 10, 16)).shape
    torch.Size([])
    """

    def __init__(
        self,
        dim=512,
        num_layers=4,
        num_heads=8,
        ffn_dim=1536,
        learning_rate_factor=50,
        gradient_scale=1,
    ):
        super().__init__()
        self.transformer = Llama(dim, num_layers, num_heads, ffn_dim)
        self.project = nn.Linear(dim, dim)
        self.learning_rate_factor = learning_rate_factor
        self.gradient_scale = gradient_scale

    def forward(self, q):
        """Mean squared error of the next token's feature, a scalar.

        ``q`` are quantized features of single groups, [M, K, D].
        """
        # The gradient is scaled down at the input and up at the output: the
        # factor affects only what is between, the prior's weights.
        q = scale_gradient(q, 1 / self.gradient_scale)
        hidden = self.transformer(q[:, :-1])
        error = F.mse_loss(self.project(hidden).float(), q[:, 1:].float())
        return scale_gradient(error, self.gradient_scale)


class ASRHead(nn.Module):
    """Predicts the transcript from the quantized features (Eq. 18).

    A LLaMA-style decoder: the utterance's token features are its prefix, the
    transcript follows.

    Arguments
    ---------
    vocab_size : int
        Text tokens, the three special ones included.
    dim : int
        Hidden dimension, that of the quantized features.
    num_layers : int
        LLaMA-style layers.
    num_heads : int
        Attention heads.
    ffn_dim : int
        Feed-forward dimension.

    Example
    -------
    >>> head = ASRHead(50, 16, 2, 2, 32)
    >>> q = torch.randn(2, 4, 10, 16)
    >>> text = torch.randint(3, 50, (2, 6))
    >>> head(q, torch.ones(2), text, torch.tensor([1.0, 0.5])).shape
    torch.Size([2])
    """

    def __init__(
        self, vocab_size=1000, dim=512, num_layers=8, num_heads=8, ffn_dim=1536
    ):
        super().__init__()
        self.transformer = Llama(dim, num_layers, num_heads, ffn_dim)
        self.embedding = nn.Embedding(vocab_size, dim)
        self.output = nn.Linear(dim, vocab_size, bias=False)

    def forward(self, q, lens, text, text_lens):
        """Cross-entropy of each transcript, a mean over its tokens, [B].

        ``q`` are quantized features [B, N, K, D], ``text`` ids int64 [B, L] without
        start and end; both have relative lengths [B].
        """
        groups, levels = q.shape[1:3]
        spoken = count_steps(lens, groups) * levels  # [B]
        letters = count_steps(text_lens, text.shape[1])
        prefix = q.flatten(1, 2)  # [B, N * K, D]
        inputs = F.pad(text, (1, 0), value=BOS)  # [B, L + 1]
        targets = F.pad(text, (0, 1)).scatter(1, letters.unsqueeze(1), EOS)
        x = torch.cat([prefix, self.embedding(inputs).to(prefix)], dim=1)

        # The text follows the speech directly, without padding between.
        place = torch.arange(x.shape[1], device=x.device).unsqueeze(0)
        is_text = place >= prefix.shape[1]
        gap = (prefix.shape[1] - spoken).unsqueeze(1)
        position = torch.where(is_text, place - gap, place)
        seen = is_text | (place < spoken.unsqueeze(1))
        hidden = self.transformer(x, causal_mask(seen), position)
        hidden = hidden[:, prefix.shape[1] :]
        logits = self.output(hidden).float().transpose(1, 2)  # [B, V, L + 1]
        loss = F.cross_entropy(logits, targets, reduction="none")
        real = torch.arange(targets.shape[1], device=x.device)
        real = real <= letters.unsqueeze(1)
        return (loss * real).sum(1) / real.sum(1)

"""The Diffusion Transformer that generates mel frames (Appendix C).

F5-TTS' base configuration with fewer layers: rotary self-attention over all
frames, layer norms modulated by the flow time (adaLN-zero), a convolutional
position embedding. Parts that do not depend on the noisy frames are separate
methods, so that a sampler computes them once: the condition's projection once per
utterance, the modulations once per step schedule.

Letters: B batch, T frames, P patches of frames, D width, L layers, S flow steps.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

from speechbrain_gogo.lobes.gogo.patches import join_patches, split_patches
from speechbrain_gogo.lobes.nn.attention import attend, rotate
from speechbrain_gogo.lobes.nn.lengths import length_mask


class TimeEmbedding(nn.Module):
    """Sinusoids of the flow time, then an MLP."""

    def __init__(self, dim, frequencies=256):
        super().__init__()
        half = frequencies // 2
        scale = math.log(10000) / (half - 1)
        self.register_buffer(
            "rates", 1000 * torch.exp(-scale * torch.arange(half)), False
        )
        self.mlp = nn.Sequential(
            nn.Linear(frequencies, dim), nn.SiLU(), nn.Linear(dim, dim)
        )

    def forward(self, t):
        """t [S] in [0, 1] -> [S, D]."""
        angles = t.float().unsqueeze(-1) * self.rates  # [S, F / 2]
        return self.mlp(torch.cat([angles.sin(), angles.cos()], dim=-1))


class ConvPositionEmbedding(nn.Module):
    """Position embedding by two grouped convolutions."""

    def __init__(self, dim, kernel_size=31, groups=16):
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv1d(dim, dim, kernel_size, padding="same", groups=groups)
            for _ in range(2)
        )

    def forward(self, x, mask):
        """x [B, T, D], mask [B, T] or None -> [B, T, D]."""
        x = x.transpose(1, 2)
        for conv in self.convs:
            if mask is not None:  # padding must not reach real frames
                x = x * mask.unsqueeze(1)
            x = F.mish(conv(x))
        return x.transpose(1, 2)


class DiTBlock(nn.Module):
    """Attention and feed-forward, both gated by the flow time."""

    def __init__(self, dim, num_heads, ff_mult):
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.ff = nn.Sequential(
            nn.Linear(dim, ff_mult * dim),
            nn.GELU(approximate="tanh"),
            nn.Linear(ff_mult * dim, dim),
        )

    def forward(self, x, modulation, rope, mask):
        """x [B, T, D], modulation [B or 1, 6, D] -> [B, T, D]."""
        shift, scale, gate, ff_shift, ff_scale, ff_gate = modulation.unsqueeze(
            2
        ).unbind(1)  # each [B, 1, D]
        y = _modulated_norm(x, shift, scale)
        qkv = self.qkv(y).unflatten(-1, (3, self.num_heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # [B, H, T, D / H]
        seen = None if mask is None else mask[:, None, None, :]
        y = attend(rotate(q, rope), rotate(k, rope), v, seen)
        x = x + gate * self.out(y)
        return x + ff_gate * self.ff(_modulated_norm(x, ff_shift, ff_scale))


class DiT(nn.Module):
    """Predicts a velocity for every mel frame from (x_t, condition, t).

    Arguments
    ---------
    n_mels : int
        Mel bins d.
    cond_dim : int
        Dimension of the condition, d_h.
    dim : int
        Width.
    num_layers : int
        Blocks.
    num_heads : int
        Attention heads.
    ff_mult : int
        Feed-forward width over ``dim``.
    conv_groups : int
        Groups of the convolutional position embedding.
    patch_size : int
        Consecutive frames that share a position; 1 in the paper.

    Example
    -------
    >>> dit = DiT(10, 16, dim=32, num_layers=2, num_heads=2)
    >>> x, cond = torch.randn(2, 40, 10), torch.randn(2, 40, 16)
    >>> dit(x, cond, torch.rand(2)).shape
    torch.Size([2, 40, 10])
    """

    def __init__(
        self,
        n_mels=100,
        cond_dim=512,
        dim=1024,
        num_layers=12,
        num_heads=16,
        ff_mult=2,
        conv_groups=16,
        patch_size=1,
    ):
        super().__init__()
        self.n_mels = n_mels
        self.cond_dim = cond_dim
        self.patch_size = patch_size
        self.head_dim = dim // num_heads
        self.num_layers = num_layers
        self.project_x = nn.Linear(patch_size * n_mels, dim, bias=False)
        self.project_cond = nn.Linear(patch_size * cond_dim, dim)
        self.position = ConvPositionEmbedding(dim, groups=conv_groups)
        self.time = TimeEmbedding(dim)
        self.blocks = nn.ModuleList(
            DiTBlock(dim, num_heads, ff_mult) for _ in range(num_layers)
        )
        self.modulations = nn.ModuleList(
            nn.Linear(dim, rows * dim) for rows in [6] * num_layers + [2]
        )
        self.project_out = nn.Linear(dim, patch_size * n_mels)
        # adaLN-zero: at the start every block is the identity. The output
        # is not zero, so that encoder and quantizer learn from the first
        # update on.
        for layer in self.modulations:
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def condition(self, cond):
        """Projection of the condition, the same at every flow step.

        cond [B, T, cond_dim] -> [B, P, D], P = T / patch_size.
        """
        return self.project_cond(join_patches(cond, self.patch_size))

    def modulation(self, t):
        """Modulation by the flow time, the same for every input.

        t [S] -> [S, 6 L + 2, D]: shifts, scales and gates of every block,
        then shift and scale of the last norm.
        """
        return self.modulate(self.time(t))

    def modulate(self, time):
        """The same from an embedding of the time, [S, D]."""
        time = F.silu(time)
        rows = [layer(time) for layer in self.modulations]
        return torch.cat(rows, dim=-1).unflatten(-1, (-1, time.shape[-1]))

    def velocity(self, x, condition, modulation, mask=None):
        """v_theta(x_t, condition, t), [B, T, n_mels], given the precomputed parts.

        ``x`` are noisy mel frames x_t [B, T, n_mels]. Those parts are of
        :meth:`condition`, [B, P, D], and of :meth:`modulation`,
        [B or 1, 6 L + 2, D]. ``mask``, bool [B, T], is True for real frames; None if
        all are.
        """
        if mask is not None:  # whole patches are real
            mask = mask[:, :: self.patch_size]
        x = self.project_x(join_patches(x, self.patch_size)) + condition
        x = x + self.position(x, mask)
        rope = self._rope(x.shape[1], x.device)
        per_block = modulation[:, :-2].unflatten(1, (self.num_layers, 6))
        for block, rows in zip(self.blocks, per_block.unbind(1)):
            x = block(x, rows, rope, mask)
        shift, scale = modulation[:, -2:].unsqueeze(2).unbind(1)  # [B, 1, D]
        x = self.project_out(_modulated_norm(x, shift, scale))
        return split_patches(x, self.patch_size)

    def forward(self, x, cond, t, lens=None):
        """Velocity v_theta(x_t, cond, t), [B, T, n_mels], from scratch.

        ``x`` are noisy mel frames x_t [B, T, n_mels], ``cond`` aligned token features
        [B, T, cond_dim], ``t`` flow times [B], ``lens`` relative lengths [B].
        """
        mask = length_mask(lens, x.shape[1])
        return self.velocity(x, self.condition(cond), self.modulation(t), mask)

    def _rope(self, length, device):
        """Rotary tables cos, sin, each [T, head_dim]."""
        half = torch.arange(0, self.head_dim, 2, device=device)
        rates = 10000.0 ** (-half / self.head_dim)
        angles = torch.arange(length, device=device)[:, None] * rates
        angles = torch.cat([angles, angles], dim=-1)
        return angles.cos(), angles.sin()


def _modulated_norm(x, shift, scale):
    """Layer norm whose gain and bias come from the flow time."""
    return F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale) + shift

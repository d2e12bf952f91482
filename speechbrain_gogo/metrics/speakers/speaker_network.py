"""The speaker network of the paper's SIM: ECAPA-TDNN over the layers of WavLM.

UniSpeech's verification model (Chen et al., 2022) sums WavLM's hidden states
with learned weights and embeds them with a small ECAPA-TDNN (Desplanques et
al., 2020). SpeechBrain's ECAPA_TDNN pads and pools differently, so the
published weights do not fit it. Modules have the names of the published
checkpoint, wavlm_large_finetune.pth; its WavLM has fairseq's names, which are
mapped to transformers'.
"""

import torch
from torch import nn
from torch.nn import functional as F

from speechbrain_gogo.fairseq_names import PRETRAINING, rename

SCALE = 8  # number of parts into which channels are split
BOTTLENECK = 128  # of squeeze-and-excitation, and of the pooling's attention
CHANNELS, WIDE = 512, 1536  # of the convolutions; those that are pooled
DIM = 256  # of the embedding


class ConvReluNorm(nn.Module):
    """Convolution over time, ReLU, batch norm: [B, C, T] -> [B, C', T]."""

    def __init__(self, in_channels, channels, kernel_size=1):
        super().__init__()
        self.conv = nn.Conv1d(
            in_channels, channels, kernel_size, padding=kernel_size // 2
        )
        self.bn = nn.BatchNorm1d(channels)

    def forward(self, x):
        """Apply the layer."""
        return self.bn(F.relu(self.conv(x)))


class Res2Conv(nn.Module):
    """Res2Net: a cascade over parts of the channels; the last part is unchanged."""

    def __init__(self, channels, kernel_size, dilation):
        super().__init__()
        width, padding = channels // SCALE, dilation * (kernel_size // 2)
        self.convs = nn.ModuleList(
            nn.Conv1d(
                width, width, kernel_size, padding=padding, dilation=dilation
            )
            for _ in range(SCALE - 1)
        )
        self.bns = nn.ModuleList(
            nn.BatchNorm1d(width) for _ in range(SCALE - 1)
        )

    def forward(self, x):
        """[B, C, T] -> [B, C, T]."""
        *parts, last = x.chunk(SCALE, dim=1)
        outputs, before = [], 0
        for part, conv, norm in zip(parts, self.convs, self.bns):
            before = norm(F.relu(conv(part + before)))
            outputs.append(before)
        return torch.cat([*outputs, last], dim=1)


class SqueezeExcite(nn.Module):
    """Scales channels by a function of their means over time."""

    def __init__(self, channels):
        super().__init__()
        self.linear1 = nn.Linear(channels, BOTTLENECK)
        self.linear2 = nn.Linear(BOTTLENECK, channels)

    def forward(self, x):
        """[B, C, T] -> [B, C, T]."""
        hidden = F.relu(self.linear1(x.mean(dim=2)))
        return x * self.linear2(hidden).sigmoid().unsqueeze(2)


class SERes2Block(nn.Module):
    """Residual block of ECAPA-TDNN; submodules have the published names."""

    def __init__(self, channels, kernel_size, dilation):
        super().__init__()
        self.Conv1dReluBn1 = ConvReluNorm(channels, channels)
        self.Res2Conv1dReluBn = Res2Conv(channels, kernel_size, dilation)
        self.Conv1dReluBn2 = ConvReluNorm(channels, channels)
        self.SE_Connect = SqueezeExcite(channels)

    def forward(self, x):
        """[B, C, T] -> [B, C, T]."""
        y = self.Res2Conv1dReluBn(self.Conv1dReluBn1(x))
        return x + self.SE_Connect(self.Conv1dReluBn2(y))


class AttentivePooling(nn.Module):
    """Mean and deviation over time, each channel with its own attention."""

    def __init__(self, channels):
        super().__init__()
        self.linear1 = nn.Conv1d(channels, BOTTLENECK, 1)
        self.linear2 = nn.Conv1d(BOTTLENECK, channels, 1)

    def forward(self, x):
        """[B, C, T] -> [B, 2 C]."""
        weights = self.linear2(self.linear1(x).tanh()).softmax(dim=2)
        mean = (weights * x).sum(dim=2)
        variance = (weights * x**2).sum(dim=2) - mean**2
        return torch.cat([mean, variance.clamp(min=1e-9).sqrt()], dim=1)


class SpeakerNetwork(nn.Module):
    """WavLM with the head that computes a speaker embedding.

    ``wavlm`` is a WavLMModel of transformers, large for the published
    checkpoint.
    """

    def __init__(self, wavlm):
        super().__init__()
        config = wavlm.config
        self.wavlm = wavlm
        self.feature_weight = nn.Parameter(
            torch.zeros(config.num_hidden_layers + 1)
        )
        self.instance_norm = nn.InstanceNorm1d(config.hidden_size)
        self.layer1 = ConvReluNorm(config.hidden_size, CHANNELS, 5)
        self.layer2 = SERes2Block(CHANNELS, 3, dilation=2)
        self.layer3 = SERes2Block(CHANNELS, 3, dilation=3)
        self.layer4 = SERes2Block(CHANNELS, 3, dilation=4)
        self.conv = nn.Conv1d(3 * CHANNELS, WIDE, 1)
        self.pooling = AttentivePooling(WIDE)
        self.bn = nn.BatchNorm1d(2 * WIDE)
        self.linear = nn.Linear(2 * WIDE, DIM)

    def forward(self, wavs):
        """Embeddings [B, DIM] of signals at 16 kHz, a list of [T]."""
        states, frames = self._hidden_states(wavs)
        # One by one: instance norm and pooling must not see padding.
        return torch.cat(
            [self._embed(s[:n].T.unsqueeze(0)) for s, n in zip(states, frames)]
        )

    def _hidden_states(self, wavs):
        """Weighted sum of WavLM's layers [B, T, D], and frames of each."""
        lens = torch.tensor([len(wav) for wav in wavs])
        padded = nn.utils.rnn.pad_sequence(
            [F.layer_norm(wav, wav.shape) for wav in wavs], batch_first=True
        )
        mask = torch.arange(padded.shape[1]) < lens.unsqueeze(1)
        found = self.wavlm(
            padded,
            attention_mask=mask.long().to(padded.device),
            output_hidden_states=True,
        )
        # Inputs of all layers, and the output of the final layer norm.
        states = (*found.hidden_states[:-1], found.last_hidden_state)
        weights = self.feature_weight.softmax(dim=0)
        summed = sum(w * state for w, state in zip(weights, states))
        return summed, self.wavlm._get_feat_extract_output_lengths(lens)

    def _embed(self, x):
        """[1, D, T] -> [1, DIM]."""
        x = self.layer1(self.instance_norm(x + 1e-6))
        blocks = []
        for layer in (self.layer2, self.layer3, self.layer4):
            x = layer(x)
            blocks.append(x)
        x = F.relu(self.conv(torch.cat(blocks, dim=1)))
        return self.linear(self.bn(self.pooling(x)))


def published_state(state):
    """State dict of the published checkpoint under the names of SpeakerNetwork.

    Without the parts for training: speakers of the loss and WavLM's prediction
    heads.
    """
    head, wavlm = {}, {}
    for name, value in state.items():
        part, _, rest = name.partition("feature_extract.model.")
        if part:  # of the head
            if not name.startswith(("loss_calculator.", "feature_extract.")):
                head[name] = value
        elif not rest.startswith(PRETRAINING):
            wavlm[rest] = value
    return {**head, **{f"wavlm.{k}": v for k, v in rename(wavlm).items()}}

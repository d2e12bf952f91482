"""Distance of two mels in the features of Whisper's encoder.

An additional loss for small codecs. The recogniser is frozen; gradients pass
through it to the predicted mel. Not in the paper.

Letters: B batch, T mel frames of the codec, d its mel bins, L layers.
"""

import math

import torch
import torchaudio
from torch import nn
from torch.nn import functional as F

SAMPLE_RATE, N_FFT, FRAME_RATE = 16000, 400, 100  # Whisper's


class WhisperMel(nn.Module):
    """The log-mel that Whisper expects, estimated from a codec's log-mel.

    Magnitudes are interpolated between the centres of the codec's bins, and
    their squares are summed by Whisper's filters. On speech this is
    about 3 dB (root mean square) from what Whisper computes from the waveform.
    ``mel`` is the VocosMel that computes the codec's, ``n_mels`` the number of
    Whisper's mel bins.
    """

    def __init__(self, mel, n_mels=80):
        super().__init__()
        self.frame_rate = mel.sample_rate / mel.hop_length
        filters = mel.spectrogram.mel_scale.fb  # [bins, d]
        nyquist = mel.sample_rate / 2
        frequencies = torch.linspace(0, nyquist, len(filters))
        size = filters.sum(0)  # [d]
        centres = (filters * frequencies.unsqueeze(1)).sum(0) / size
        wanted = torch.linspace(0, SAMPLE_RATE / 2, N_FFT // 2 + 1)
        after = torch.searchsorted(centres, wanted).clamp(1, len(centres) - 1)
        share = (wanted - centres[after - 1]) / (
            centres[after] - centres[after - 1]
        )
        share = share.clamp(0, 1).unsqueeze(1)
        identity = torch.eye(len(centres))
        between = torch.lerp(identity[after - 1], identity[after], share)
        whisper = torchaudio.functional.melscale_fbanks(
            N_FFT // 2 + 1,
            0,
            SAMPLE_RATE / 2,
            n_mels,
            SAMPLE_RATE,
            norm="slaney",
            mel_scale="slaney",
        )
        # The power of a tone grows with the square of the window, that of
        # noise with the window: speech is between.
        gain = (N_FFT / mel.n_fft) ** 1.75 * 4 / math.pi
        weight = gain * whisper.T @ between / size.square()  # [n_mels, d]
        self.register_buffer("weight", weight, persistent=False)

    def forward(self, log_mel):
        """log_mel [B, T, d] -> log10 of powers [B, n_mels, T']."""
        with torch.autocast(log_mel.device.type, enabled=False):
            power = F.linear((2 * log_mel.float()).exp(), self.weight)
        frames = round(log_mel.shape[1] * FRAME_RATE / self.frame_rate)
        log_power = power.clamp(min=1e-10).log10().transpose(1, 2)
        return F.interpolate(log_power, size=frames, mode="linear")


class HearingLoss(nn.Module):
    """Distance of two mels in the features of Whisper's encoder.

    Arguments
    ---------
    mel : VocosMel
        Module that computes the codec's mel.
    source : str
        Hub id or folder of a Whisper in transformers' format.
    num_layers : int
        Layers whose output is compared, from the first one.
    max_utterances : int
        Number of utterances of a batch for which the loss is computed.
    """

    def __init__(
        self, mel, source="openai/whisper-base", num_layers=6, max_utterances=8
    ):
        super().__init__()
        from transformers import WhisperModel

        encoder = WhisperModel.from_pretrained(source).encoder
        encoder.layers = encoder.layers[:num_layers]
        self.whisper_mel = WhisperMel(mel, encoder.config.num_mel_bins)
        self.encoder = encoder.eval().requires_grad_(False)
        self.max_utterances = max_utterances

    def train(self, mode=True):
        """Stay in evaluation mode: nothing here is trained."""
        del mode
        return super().train(False)

    def forward(self, predicted, log_mel):
        """Mean squared difference of normalized features, of each compared utterance.

        Log-mels of codec and recordings are [B, T, d]; the result has
        min(B, max_utterances) values.
        """
        heard = slice(self.max_utterances)
        return self.compare(predicted[heard], log_mel[heard]).mean(1)

    def compare(self, predicted, log_mel):
        """Distances [B, T''] at each position of the recogniser, every 20 ms.

        Log-mels of the codec are [B, T, d], those of the recordings the same, or
        [1, T, d] of one recording for all.
        """
        with torch.no_grad():
            mel = self.whisper_mel(log_mel)
            loudest = mel.amax((1, 2), keepdim=True)
            wanted = self.features(mel, loudest)
        found = self.features(self.whisper_mel(predicted), loudest)
        differences = [
            (ours - theirs).square().mean(2)
            for ours, theirs in zip(found, wanted)
        ]
        return torch.stack(differences).mean(0)

    def features(self, mel, loudest):
        """Outputs of each layer, each position normalized: L of [B, T'', D].

        ``mel`` is [B, n_mels, T'], ``loudest`` the largest value of each recording,
        [B, 1, 1].
        """
        x = (torch.maximum(mel, loudest - 8) + 4) / 4  # as Whisper scales it
        encoder = self.encoder
        x = F.gelu(encoder.conv2(F.gelu(encoder.conv1(x)))).transpose(1, 2)
        x = x + encoder.embed_positions.weight[: x.shape[1]]
        found = []
        for layer in encoder.layers:
            x = layer(x, None)
            x = x[0] if isinstance(x, tuple) else x
            found.append(F.layer_norm(x.float(), x.shape[-1:]))
        return found

"""Waveforms to tokens of a codec, in bounded memory.

The mel is computed in windows of groups, and the encoder runs on chunks of them.
"""

import torch

from speechbrain_gogo.lobes.gogo.grouping import MelGroups

# Frames of mel that are encoded at a time: few enough for a processor's cache,
# or enough to keep a GPU busy.
CHUNK_ON_CPU, CHUNK_ON_GPU = 480, 40_000


class WindowedEncoding(MelGroups):
    """Encodes audio of any length; a subclass has ``encoder`` and ``quantize``.

    ``args`` are those of :class:`MelGroups`. ``chunk_size`` groups are encoded at
    a time, by default as many as suit the device; the mel of ``window_size``
    groups is in memory at a time.
    """

    def __init__(self, *args, chunk_size=None, window_size=256):
        super().__init__(*args)
        self.chunk_size = chunk_size
        self.window_size = window_size

    @torch.no_grad()
    def encode(self, wavs, wav_lens=None, num_tokens=None):
        """Waveforms [B, T] in [-1, 1] to tokens, at bounded memory.

        Waveforms have relative lengths [B]. Gives int64 [B, N, K] of the first K
        tokens of each group, all by default, zeros beyond each utterance's groups;
        and relative lengths [B] over N.
        """
        count = self.count_samples(wavs, wav_lens)
        groups = self.count_groups(count)
        num_groups = self.count_groups(wavs.shape[1])
        tokens = []
        for first in range(0, num_groups, self.window_size):
            size = min(self.window_size, num_groups - first)
            place = torch.arange(first, first + size, device=wavs.device)
            real = place < groups.unsqueeze(1)  # [B, size]
            stretch = self.stretch(wavs, count, first, size)
            tokens.append(self.encode_window(stretch, real, num_tokens))
        return torch.cat(tokens, dim=1), groups / num_groups

    @torch.no_grad()
    def encode_window(self, wavs, real=None, num_tokens=None):
        """Tokens int64 [B, N, K] of a segment of audio with its context.

        ``wavs``, [B, window_samples(N)], have the groups' audio, and before it the
        ``mel.margin`` samples on which its first frame also depends. Groups where
        ``real``, bool [B, N], is False are left out: their tokens are 0. The first
        ``num_tokens`` tokens of each group are computed.
        """
        groups = self.mel_groups(wavs)  # [B, N, g, d]
        if real is None:
            real = torch.ones(groups.shape[:2], dtype=bool, device=wavs.device)
        frames = CHUNK_ON_GPU if groups.is_cuda else CHUNK_ON_CPU
        chunk_size = self.chunk_size or frames // self.group_size
        parts = self.encoder.split(groups, real, chunk_size)
        found = [self.quantize(*part, num_tokens)[1] for part in parts]
        levels = self.num_codebooks if num_tokens is None else num_tokens
        tokens = real.new_zeros((*real.shape, levels), dtype=torch.long)
        if found:
            tokens[real] = torch.cat(found)  # [M, K]
        return tokens

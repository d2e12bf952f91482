"""Base class of codecs that encode clips of whole groups, one by one."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from speechbrain_gogo.lobes.nn.lengths import count_steps


class ClipCodec(nn.Module):
    """Encodes each clip of a padded batch on its own.

    A subclass has ``group_samples``, the samples of a group, and the methods
    ``encode_clip``, [T] -> int64 [N, K], and ``voice``, [T] -> [1, C].
    """

    def split_clips(self, wavs, wav_lens=None):
        """Waveforms [T_b] of whole groups, zeros at their ends."""
        batch, samples = wavs.shape
        if wav_lens is None:
            wav_lens = torch.ones(batch)
        counts = count_steps(wav_lens, samples).tolist()
        clips = [wav[:count] for wav, count in zip(wavs, counts)]
        return [F.pad(c, (0, -len(c) % self.group_samples)) for c in clips]

    @torch.no_grad()
    def encode(self, wavs, wav_lens=None, num_tokens=None):
        """Tokens int64 [B, N, K] of waveforms [B, T], each independent of the batch.

        Waveforms are in [-1, 1], with relative lengths [B]. ``num_tokens`` columns
        are computed; all by default. Tokens are zero beyond each utterance's end.
        Also gives relative lengths [B] over N.
        """
        clips = self.split_clips(wavs, wav_lens)
        tokens = [self.encode_clip(clip) for clip in clips]
        tokens = pad_sequence(tokens, True)[..., :num_tokens]
        return tokens, relative_lengths(clips)

    @torch.no_grad()
    def speaker_embedding(self, wavs, wav_lens=None):
        """Global embeddings [B, C] of waveforms [B, T]."""
        clips = self.split_clips(wavs, wav_lens)
        return torch.cat([self.voice(clip) for clip in clips])


def relative_lengths(clips):
    """Lengths of clips [T_b], relative to the longest: [B]."""
    sizes = [len(clip) for clip in clips]
    return torch.tensor(sizes, device=clips[0].device) / max(sizes)

"""Mels as a codec decodes them, for the training of a vocoder.

A vocoder that is trained on decoded mels can restore some of the details that
the codec loses; one that is trained on the mels of recordings cannot.

Letters: B batch, T samples, N groups, K tokens per group, d mel bins.
"""

import torch
from torch import nn

from speechbrain_gogo.lobes.tokens.granular import keep_prefix


class CodedMel(nn.Module):
    """Log-mel of waveforms, most of them coded by a frozen codec.

    It replaces the :class:`VocosMel` of a vocoder's training. In evaluation
    every clip is coded with all tokens.

    Arguments
    ---------
    codec : Gogo
        The codec; it is not trained.
    keeps : list of int
        Numbers of tokens to keep, one of which is drawn for each clip.
    share : float
        Share of the clips that are coded in training; the others have the mel
        of the recording.

    Raises
    ------
    ValueError
        If one of ``keeps`` is not 1 to the codec's number of tokens.
    """

    def __init__(self, codec, keeps, share=0.8):
        super().__init__()
        most = codec.num_codebooks
        if not keeps or not all(1 <= keep <= most for keep in keeps):
            raise ValueError(
                f"keeps={keeps}: give numbers of tokens from 1 to {most}, those "
                "of the codec's groups."
            )
        self.codec = codec.eval().requires_grad_(False)
        self.share = share
        self.register_buffer("keeps", torch.tensor(keeps), persistent=False)

    def train(self, mode=True):
        """The codec stays in evaluation mode."""
        super().train(mode)
        self.codec.eval()
        return self

    @torch.no_grad()
    def forward(self, wavs, generator=None):
        """Log-mel [B, T / hop, d] of waveforms [B, T] of whole hops.

        The generator is that of all draws, on the CPU; in training torch's global
        one by default, else one that is the same in each call.
        """
        codec, frames = self.codec, wavs.shape[1] // self.codec.mel.hop_length
        groups, lens = codec.group(wavs)  # [B, N, g, d]
        q, _, _ = codec.quantize_batch(groups, lens)  # [B, N, K, D]
        batch, levels = len(q), codec.num_codebooks
        keep = torch.full((batch,), levels, device=q.device)
        coded = torch.ones(batch, dtype=torch.bool, device=q.device)
        if self.training:
            drawn = torch.randint(
                len(self.keeps), (batch,), generator=generator
            )
            keep = self.keeps[drawn.to(q.device)]
            coded = torch.rand(batch, generator=generator) < self.share
            coded = coded.to(q.device)
        elif generator is None:
            generator = torch.Generator().manual_seed(0)
        q = keep_prefix(q, keep.unsqueeze(1), codec.mask)
        noise = torch.randn(groups.flatten(1, 2).shape, generator=generator)
        noise = noise.to(q.device)
        made = codec.log_mel(codec.flow.sample(codec.align(q), lens, noise))
        true = codec.log_mel(groups.flatten(1, 2))
        return torch.where(coded[:, None, None], made, true)[:, :frames]

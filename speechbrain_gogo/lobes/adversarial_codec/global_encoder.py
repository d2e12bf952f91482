"""The time-invariant encoder of SoCodec (Section 3.2.2), shared with CoFi.

An ECAPA-TDNN without normalisation reads the log-mel and gives one embedding
of an utterance: speaker, style and acoustic environment. In training it reads
shuffled segments of a part of the utterance ("Clip&Shuffle"), which contain little
information about the content.
"""

import torch
from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN
from torch import nn

from speechbrain_gogo.lobes.nn.lengths import count_steps

NUM_SEGMENTS = 3  # equal ones, which Clip&Shuffle cuts
MIN_FRAMES = 100  # of the input in training
FEWEST_FRAMES = 5  # that the padding of the ECAPA-TDNN can reflect


class GlobalEncoder(nn.Module):
    """Log-mel of an utterance to one global embedding.

    Arguments
    ---------
    n_mels : int
        Mel bins.
    dim : int
        Dimension of the embedding.
    channels : int
        Channels of the ECAPA-TDNN; three times as many in its last layer.

    Example
    -------
    >>> encoder = GlobalEncoder(dim=32, channels=16)
    >>> encoder(torch.randn(2, 120, 80)).shape
    torch.Size([2, 32])
    """

    def __init__(self, n_mels=80, dim=1024, channels=256):
        super().__init__()
        self.dim = dim
        self.ecapa = ECAPA_TDNN(
            n_mels,
            lin_neurons=dim,
            channels=[channels] * 4 + [3 * channels],
            kernel_sizes=[5, 3, 3, 3, 1],
            dilations=[1, 2, 3, 4, 1],
            attention_channels=64,
            res2net_scale=2,
            se_channels=64,
            global_context=True,
        )
        _remove_batch_norms(self.ecapa)

    def forward(self, mel):
        """Log-mel [B, F, n_mels] without padding -> embeddings [B, dim]."""
        return self.ecapa(mel).squeeze(1)

    def encode_each(self, mel, lens=None):
        """Embeddings [B, dim] of utterances of different lengths, each read alone.

        ``mel`` is a log-mel [B, F, n_mels] with relative lengths [B]. Fewer than 5
        frames are repeated.
        """
        frames = [mel.shape[1]] * len(mel)
        if lens is not None:
            frames = count_steps(lens, mel.shape[1]).tolist()
        found = []
        for clip, size in zip(mel.split(1), frames):
            clip = clip[:, :size]
            if size < FEWEST_FRAMES:
                clip = clip.repeat(1, FEWEST_FRAMES, 1)[:, :FEWEST_FRAMES]
            found.append(self(clip))
        return torch.cat(found)

    def clip_and_shuffle(self, mel, lens, generator=None):
        """Shuffled segments of a quarter to three quarters of each utterance.

        Of a log-mel [B, F, n_mels] with relative lengths [B]: [B, F', n_mels], each
        utterance's segments repeated up to F'. The generator is torch's global one
        by default.
        """
        frames = count_steps(lens, mel.shape[1]).tolist()
        draws = torch.rand(2, len(frames), generator=generator).tolist()
        chosen = []
        for clip, size, share, start in zip(mel, frames, *draws):
            kept = max(int(size * (0.25 + 0.5 * share)), NUM_SEGMENTS)
            kept = min(kept, size)
            first = int(start * (size - kept + 1))
            length = max(kept // NUM_SEGMENTS, 1)
            segments = clip[first : first + kept].split(length)
            segments = segments[:NUM_SEGMENTS]  # without the remainder
            order = torch.randperm(len(segments), generator=generator)
            chosen.append(torch.cat([segments[place] for place in order]))
        longest = max(MIN_FRAMES, *map(len, chosen))
        repeated = [
            clip.repeat(-(-longest // len(clip)), 1)[:longest]
            for clip in chosen
        ]
        return torch.stack(repeated)


def _remove_batch_norms(network):
    """Replace the batch normalisations of SpeechBrain's ECAPA by identities."""
    for module in network.modules():
        if hasattr(module, "norm"):
            module.norm = nn.Identity()
    network.asp_bn = nn.Identity()

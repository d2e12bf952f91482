"""GogoCodec: speech to granularity-ordered tokens and back.

The interface that users load with ``from_hparams``. It checks its input; the
networks are in lobes/. This file has the decoding; the base classes of all
codecs are in codecs/, streams in streaming/.
"""

import torch

from speechbrain_gogo.inference.checks.settings import (
    check_lengths,
    check_sampling,
)
from speechbrain_gogo.inference.checks.weights import weights_of
from speechbrain_gogo.inference.streaming.codec import StreamingCodec
from speechbrain_gogo.lobes.nn.int8 import Int8, use_int8


class GogoCodec(StreamingCodec):
    """Encodes 24 kHz speech into groups of coarse-to-fine tokens.

    ``modules`` are ``codec`` (a :class:`~speechbrain_gogo.lobes.gogo.codec.Gogo`),
    ``vocoder`` and, in some models, ``allocator``. The YAML's
    ``window_groups`` and ``overlap_groups`` set the windows in which long audio is decoded.

    The same audio has the same tokens alone, in a batch and in a stream, and
    the same tokens and seed give the same audio. On a GPU, where rounding
    depends on shapes, a feature near the border between two codes can get
    either.

    Example
    -------
    >>> codec = GogoCodec.from_hparams("gogo-mini")
    >>> tokens, lens = codec.encode_batch(torch.zeros(1, 24000))
    >>> tokens.shape
    torch.Size([1, 5, 10])
    >>> wavs, wav_lens = codec.decode_batch(tokens, lens, num_samples=24000)
    >>> wavs.shape
    torch.Size([1, 24000])
    """

    HPARAMS_NEEDED = ["modules", "window_groups", "overlap_groups"]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if "allocator" in self.mods:
            self.mods.allocator.check_fits(self.codec)

    @classmethod
    def from_hparams(cls, source, *args, steps=None, weights="float", **kwargs):
        """Load a pretrained codec.

        Arguments
        ---------
        source, args, kwargs
            As in :meth:`PretrainedCodec.from_hparams
            <speechbrain_gogo.inference.codecs.pretrained.PretrainedCodec.from_hparams>`.
        steps : int
            Flow steps of the decoder; the model's setting by default. An error
            for decoders without a flow.
        weights : str
            "float"; "int8": the linear layers of the decoder in 8 bits, on a
            CPU; or "auto": "int8" where it is supported. Tokens do not change,
            decoded audio does slightly.

        Returns
        -------
        GogoCodec

        Raises
        ------
        ValueError
            If the model cannot be loaded, ``steps`` is less than one or its
            decoder has no flow, or ``weights`` is unknown or not supported by
            device and precision.
        """
        steps = check_sampling(steps, None)["num_steps"]
        codec = super().from_hparams(source, *args, **kwargs)
        if steps is not None:
            if not codec.codec.flow.draws_noise:
                raise ValueError(
                    f"steps={steps}: the decoder of '{codec.name}' has no flow "
                    "and takes no steps; leave steps out."
                )
            codec.codec.flow.num_steps = steps
        if weights_of(weights, codec) is Int8:
            use_int8(codec.codec.flow.backbone)
        return codec

    @property
    def sampler(self):
        """Steps and guidance of the flow, and the seed of its noise, if any."""
        flow = self.codec.flow
        if not flow.draws_noise:
            return {}
        return {
            "num_steps": flow.num_steps,
            "guidance_scale": flow.guidance_scale,
            "seed": 0,
        }

    @torch.no_grad()
    def decode_batch(
        self,
        tokens,
        lens=None,
        keep=None,
        num_steps=None,
        guidance_scale=None,
        seed=0,
        num_samples=None,
    ):
        """Decode token matrices.

        Arguments
        ---------
        tokens : torch.Tensor
            int64 [B, N, K], K at most 10; ``mask_id`` where a token is not
            used.
        lens : torch.Tensor
            Relative lengths [B] over N.
        keep : int | torch.Tensor
            Number of tokens of each group to use, from the first; or int64 [B,
            N], for each group.
        num_steps : int
            Flow steps; the model's setting by default.
        guidance_scale : float
            Classifier-free guidance, 0 for none; the model's setting
            by default.
        seed : int
            Seed of the initial noise.
        num_samples : int | sequence of int
            Length of the audio (of each utterance), if known.

        Returns
        -------
        tuple of torch.Tensor
            Waveforms [B, T] and relative lengths [B].

        Raises
        ------
        ValueError
            If tokens, keep or lengths are out of range; the error names the position.
        """
        tokens = self._read_tokens(tokens, keep, lens)
        batch, counts = len(tokens), self._count_groups(tokens, lens)
        sampling = check_sampling(num_steps, guidance_scale, seed)
        longest = [count * self.group_samples for count in counts]
        lengths = check_lengths(num_samples, longest)

        found = [[] for _ in range(batch)]
        with self.own_precision():
            for piece, b in self._mel_pieces(tokens, counts, seed, sampling):
                found[b].append(piece.float())
            wavs = torch.zeros(batch, max(lengths), device=tokens.device)
            for b, pieces in enumerate(found):
                start = 0
                for audio in self._vocode(pieces):
                    stop = min(start + audio.shape[1], lengths[b])
                    wavs[b, start:stop] = audio[0, : stop - start]
                    start = stop
                pieces.clear()
        wav_lens = torch.tensor(lengths, device=wavs.device).float()
        wav_lens = wav_lens / wavs.shape[1]
        return wavs, wav_lens

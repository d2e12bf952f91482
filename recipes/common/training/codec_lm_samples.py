"""Samples of the language models of SoCodec and CoFi-Speech from validation clips.

The voice is the embedding of the clip itself, as in training. SoCodec's model
speaks the text of the clip; the first third of the clip is a prompt for
CoFi-Speech's, which speaks the rest. The plot also shows the decoded clip.
"""

import torch

from speechbrain_gogo.dataio.ids import file_name
from speechbrain_gogo.lobes.cofi.generation import ScaleGenerator
from speechbrain_gogo.lobes.cofi.scale_lm import ScaleLM
from speechbrain_gogo.lobes.speech.cached_decoding import Sampler
from speechbrain_gogo.metrics.reports.pictures import plot_mels


class CodecLMSamples:
    """Audio and mel pictures of a few clips, encoded once.

    Clips have ``id``, ``sig`` [T] and ``text``, int64 [L]; ``sampling`` has
    settings of a ``Sampler``.
    """

    def __init__(self, codec, clips, seed, sampling):
        self.codec, self.seed, self.sampling = codec, seed, sampling
        self.clips = []
        for clip in clips:
            wav = clip["sig"][None]
            tokens, _ = codec.encode_batch(wav)
            voice = codec.speaker_embedding(wav)
            known = file_name(clip["id"]), clip["text"][None], tokens, voice
            self.clips.append((*known, wav))

    def __call__(self, lm, folder, write):
        """Speak all clips by a model in evaluation mode.

        The folder gets ``<id>.png``, and ``<id>.wav`` unless the model ends at
        once; ``write`` writes audio [1, T] to a path.
        """
        device = next(lm.parameters()).device
        for name, *tensors, wav in self.clips:
            text, tokens, voice = (each.to(device) for each in tensors)
            spoken = self.speak(lm, text, tokens, voice)
            wavs = {"original": wav.to(voice)}
            for title, matrix in {"tokens": tokens, "spoken": spoken}.items():
                if matrix.shape[1]:
                    decoded = self.codec.decode_batch(matrix, embedding=voice)
                    wavs[title] = decoded[0]
            if "spoken" in wavs:
                write(folder / f"{name}.wav", wavs["spoken"])
            mel = self.codec.codec.mel
            mels = {title: mel(each)[0].cpu() for title, each in wavs.items()}
            size = self.codec.group_size
            rate = size * self.codec.group_rate
            plot_mels(mels, folder / f"{name}.png", size, rate)

    def speak(self, lm, text, tokens, voice):
        """Tokens [1, N', K] for a clip of tokens [1, N, K]; N' is at most 2 N."""
        one = torch.ones(1, device=tokens.device)
        continues = isinstance(lm, ScaleLM)
        prompt = tokens[:, : tokens.shape[1] // 3 * continues]
        most = min(2 * tokens.shape[1], lm.group_positions) - prompt.shape[1]
        most = torch.tensor([most])
        if continues:
            steps = ScaleGenerator(
                lm,
                voice,
                (text, one),
                (prompt, one),
                [self.seed],
                most,
                **self.sampling,
            )
        else:
            sampler = Sampler([self.seed], **self.sampling)
            steps = lm.generate(voice, text, one, sampler, most)
        groups = [group[:, None] for group, active, _ in steps if active.all()]
        return torch.cat([prompt, *groups], dim=1)

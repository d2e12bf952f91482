"""Continuation of speech by a token language model.

The beginning of a clip is the prompt. Groups are sampled until the end token, a
repetition or the length limit.
"""

import soundfile
import torch
from tqdm import tqdm

from recipes.common.tokens import groups_in
from speechbrain_gogo.dataio.ids import file_name
from speechbrain_gogo.lobes.speech.cached_decoding import Sampler
from speechbrain_gogo.lobes.speech.generation import generate_backbone
from speechbrain_gogo.metrics.reports.pictures import plot_mels


class Continuations:
    """Prompts, and a model's continuations.

    Clips have ``id``, ``tokens`` [N, K or more] and ``side``, side information
    for decoding. The prompt is half of a clip if that is shorter than
    ``prompt_seconds``. ``sampling`` has settings of a ``Sampler``.
    """

    def __init__(
        self,
        codec,
        clips,
        prompt_seconds,
        max_seconds,
        seed,
        sampling,
        batch_size=32,
    ):
        self.codec = codec
        self.clips = clips
        self.prompt_groups = groups_in(prompt_seconds, codec)
        self.max_groups = groups_in(max_seconds, codec)
        self.seed = seed
        self.sampling = sampling
        self.batch_size = batch_size

    def prompt(self, clip):
        """The beginning of a clip, [P, K or more]."""
        tokens = clip["tokens"]
        return tokens[: min(self.prompt_groups, -(-len(tokens) // 2))]

    def spoken(self, lm):
        """Continuations of all prompts by a model in evaluation mode.

        The model is of the first K tokens of each group, without text. Yields
        the clip, and the groups after its prompt, int64 [N, K]; N may be 0.
        """
        for first in range(0, len(self.clips), self.batch_size):
            clips = self.clips[first : first + self.batch_size]
            prompts = [self.prompt(clip) for clip in clips]
            counts = torch.tensor([len(prompt) for prompt in prompts])
            padded = torch.nn.utils.rnn.pad_sequence(prompts, batch_first=True)
            padded = padded.to(lm.llama.device)  # [B, P, K or more]
            nothing = padded.new_zeros(len(clips), 0)
            seeds = range(self.seed + first, self.seed + first + len(clips))
            groups = [
                group
                for group, _ in generate_backbone(
                    lm,
                    nothing,
                    torch.zeros(len(clips), device=padded.device),
                    padded,
                    (counts / padded.shape[1]).to(padded.device),
                    Sampler(list(seeds), **self.sampling),
                    self.max_groups,
                )
            ]
            said = torch.stack(groups, dim=1).cpu()  # [B, N, K]
            for clip, tokens in zip(clips, said):
                # Where speech has ended, groups are without tokens.
                yield clip, tokens[tokens[:, 0] < lm.codebook_size]

    def __call__(self, lm, folder):
        """Write ``<id>.wav``, prompt and continuation, and ``<id>.png``."""
        folder.mkdir(parents=True, exist_ok=True)
        self.codec.to(lm.llama.device)
        spoken = tqdm(self.spoken(lm), "continued", len(self.clips), False)
        for clip, said in spoken:
            own = clip["tokens"][:, : said.shape[1]]
            whole = torch.cat([self.prompt(clip)[:, : said.shape[1]], said])
            mels = {}
            for title, tokens in {"clip": own, "continued": whole}.items():
                found = self.codec.decode_batch(tokens[None], **clip["side"])
                wav = found[0]  # [1, T]
                mels[title] = self.codec.codec.mel(wav)[0].cpu()
            path = folder / f"{file_name(clip['id'])}.wav"
            soundfile.write(path, wav[0].cpu().numpy(), self.codec.sample_rate)
            image = path.with_suffix(".png")
            size = self.codec.group_size
            plot_mels(mels, image, size, size * self.codec.group_rate)

"""Samples of a stage of GogoSpeech from validation clips.

The first third of a clip is the prompt. Stage I generates the backbone of the
rest from the text; Stage II completes the backbone of the rest. The plot also
shows the decoded clip.
"""

import soundfile
import torch

from speechbrain_gogo.dataio.ids import file_name
from speechbrain_gogo.lobes.speech.cached_decoding import Sampler
from speechbrain_gogo.lobes.speech.generation import (
    DetailGenerator,
    generate_backbone,
)
from speechbrain_gogo.metrics.reports.pictures import plot_mels


class Samples:
    """Writes wav files and mel pictures of some clips, evenly over a dataset.

    ``sampling`` has settings of a ``Sampler``.
    """

    def __init__(self, codec, dataset, number, seed, sampling):
        self.codec = codec
        step = max(1, len(dataset) // max(1, number))
        places = range(0, len(dataset), step)[:number]
        self.clips = [dataset[place] for place in places]
        self.seed = seed
        self.sampling = sampling

    def __call__(self, lm, folder):
        """Write ``<id>.wav`` and ``<id>.png`` of all clips.

        The stage is in evaluation mode.
        """
        device = lm.llama.device
        self.codec.to(device)
        for clip in self.clips:
            tokens = clip["tokens"][None].to(device)  # [1, N, K]
            # Never empty: speech may end at once.
            prompt = tokens[:, : max(1, tokens.shape[1] // 3)]
            sampler = Sampler([self.seed], **self.sampling)
            if lm.stage == 1:
                spoken = self.speak(lm, clip, tokens, prompt, sampler)
            else:
                spoken = self.fill(lm, tokens, prompt, sampler)
            self.write(folder, clip["id"], tokens, spoken)

    def speak(self, lm, clip, tokens, prompt, sampler):
        """Stage I after the prompt, at most twice as long as the clip."""
        text = clip["text_ids"][None].to(tokens.device)
        one = torch.ones(1, device=tokens.device)
        groups = [prompt[..., : lm.backbone_size]]
        for group, _ in generate_backbone(
            lm, text, one, prompt, one, sampler, 2 * tokens.shape[1]
        ):
            groups.append(group[:, None])
        backbone = torch.cat(groups, dim=1)  # [1, N', b]
        # Where speech ends, a group without tokens may stand.
        return backbone[:, backbone[0, :, 0] < lm.codebook_size]

    def fill(self, lm, tokens, prompt, sampler):
        """Stage II on the clip's own backbone after the prompt."""
        groups = [prompt]
        one = torch.ones(1, device=tokens.device)
        details = DetailGenerator(lm, prompt, one, sampler)
        budget = torch.full((1,), lm.num_tokens, device=tokens.device)
        for backbone in tokens[:, prompt.shape[1] :].unbind(1):
            group = details.complete(backbone[:, : lm.backbone_size], budget)
            groups.append(group[:, None])
        return torch.cat(groups, dim=1)

    def write(self, folder, name, tokens, spoken):
        """Audio of what was spoken; its mel below those of the clip."""
        folder.mkdir(parents=True, exist_ok=True)
        versions = {
            "original": tokens,
            "original, backbone": tokens[..., : self.codec.backbone_size],
            "spoken": spoken,
        }
        mels = {}
        for title, matrix in versions.items():
            wav = self.codec.decode_batch(matrix)[0]
            mels[title] = self.codec.codec.mel(wav)[0].cpu()
        name = file_name(name)  # ids may have slashes
        path = folder / f"{name}.wav"
        soundfile.write(path, wav[0].cpu().numpy(), self.codec.sample_rate)
        size = self.codec.group_size
        rate = size * self.codec.group_rate
        plot_mels(mels, folder / f"{name}.png", size, rate)

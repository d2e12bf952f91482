"""Voice conversion and enhancement: Stage II on the backbone of a recording.

The coarse tokens of a recording are kept, and Stage II generates its fine tokens
again: after the groups of a prompt (in its voice), or from the coarse ones
alone. Stage I and texts are not used.

Letters: N groups, b tokens of the backbone, K = n_q tokens per group.
"""

import torch

from speechbrain_gogo.inference.checks.settings import check_whole
from speechbrain_gogo.inference.streaming.speech import Speech, collect_groups
from speechbrain_gogo.inference.synthesis.generator import stage2_limit
from speechbrain_gogo.inference.synthesis.requests import (
    read_prompt,
    read_recording,
    read_request,
)
from speechbrain_gogo.inference.synthesis.utterances import Utterance, part_seed
from speechbrain_gogo.lobes.speech.single_stage import NoDetailLM

REQUIRED = "source_wav", "prompt_wav"
NO_STAGE2 = (
    "'{}' has no Stage II, which generates fine tokens from coarse ones: "
    "voices cannot be converted, nor recordings enhanced. Train the stages on "
    "its codec's tokens (recipes/LibriTTS/speech_lm, groups_stage2.yaml or "
    "stage2.yaml), combine codec and stages by export_speech, and load that "
    "folder."
)


class VoiceConversion:
    """Methods on recordings, for a text to speech with a Stage II."""

    def convert_voice(
        self,
        source_wav,
        prompt_wav,
        allocate=True,
        seed=0,
        sample_rate=None,
        **sampling,
    ):
        """Say what a recording says in the voice of a prompt.

        The recording keeps its backbone, and Stage II generates the fine tokens
        after the groups of the prompt. A recording that does not fit the
        positions is generated in windows of equal length, each after the same
        prompt.

        Arguments
        ---------
        source_wav : str | Path | torch.Tensor | numpy.ndarray | list
            The recording, of any length, in a form of ``prompt_wav``.
        prompt_wav : str | Path | torch.Tensor | numpy.ndarray | list
            A few seconds of the voice, as in :meth:`clone_voice`, without a
            transcript. Only its end is used if it takes more than half of the
            positions. None: no prompt, as in :meth:`enhance`.
        allocate, seed, sampling
            As in :meth:`clone_voice`.
        sample_rate : int
            Sample rate of tensors, if it is not the codec's.

        Returns
        -------
        Speech
            As many samples as the recording has, at the codec's rate.

        Raises
        ------
        ValueError
            If the model has no Stage II, audio cannot be used, or a setting is
            unknown or out of range.
        """
        request = {
            "source_wav": source_wav,
            "prompt_wav": prompt_wav,
            "sample_rate": sample_rate,
        }
        return self.convert_voice_batch([request], allocate, seed, **sampling)[
            0
        ]

    def enhance(
        self,
        source_wav,
        prompt_wav=None,
        allocate=True,
        seed=0,
        sample_rate=None,
        **sampling,
    ):
        """Generate the fine tokens of a recording again from its coarse ones.

        Arguments
        ---------
        source_wav
            The recording, such as a noisy one.
        prompt_wav
            A clean recording, best of the same speaker; none by default.
        allocate, seed, sample_rate, sampling
            As in :meth:`convert_voice`.

        Returns
        -------
        Speech
            As in :meth:`convert_voice`.

        Raises
        ------
        ValueError
            As :meth:`convert_voice` does.
        """
        settings = allocate, seed, sample_rate
        return self.convert_voice(source_wav, prompt_wav, *settings, **sampling)

    def convert_voice_batch(self, requests, allocate=True, seed=0, **sampling):
        """Convert or enhance many recordings in batches.

        Arguments
        ---------
        requests : list of dict
            Arguments of :meth:`convert_voice` each: ``source_wav``,
            ``prompt_wav``, which may be None, and optionally ``seed`` and
            ``sample_rate``; or tuples of the first two.
        allocate, seed, sampling
            Settings of all requests, as in :meth:`clone_voice`.

        Returns
        -------
        list of Speech
            Each is the result of :meth:`convert_voice`, up to rounding.

        Raises
        ------
        ValueError
            As :meth:`convert_voice` does.
        """
        if isinstance(self.mods.stage2, NoDetailLM):
            raise ValueError(NO_STAGE2.format(self.codec.name))
        settings, decoding = self._read_sampling(sampling)
        requests = [read_request(each, seed, REQUIRED) for each in requests]
        parts, lengths = [], []
        for request in requests:
            windows, samples = self._windows(**request)
            parts.append(windows)
            lengths.append(samples)
        windows = [window for part in parts for window in part]
        groups = self._generate_all(windows, allocate, settings)
        return [
            self._decode_windows(
                [next(groups) for _ in part],
                num_samples=samples,
                seed=request["seed"],
                **decoding,
            )
            for part, samples, request in zip(parts, lengths, requests)
        ]

    def _windows(self, source_wav, prompt_wav, seed, sample_rate=None):
        """Windows of a recording to generate, and its number of samples."""
        seed, stage2 = check_whole(seed, "seed"), self.mods.stage2
        most = stage2_limit(stage2, prompt=[])
        given = self.codec, source_wav, sample_rate, "source_wav"
        tokens, samples = read_recording(*given)
        prompt = tokens[:0]
        if prompt_wav is not None:
            prompt = read_prompt(self.codec, prompt_wav, sample_rate)
        prompt = prompt[-(most // 2) :]
        number = -(-len(tokens) // (most - len(prompt)))
        backbones = tokens[:, : stage2.backbone_size].tensor_split(number)
        return [
            Utterance(
                [],
                prompt,
                part_seed(seed, place),
                len(backbone),
                backbone=backbone,
            )
            for place, backbone in enumerate(backbones)
        ], samples

    def _decode_windows(self, windows, **decoding):
        """Speech of the groups of consecutive windows."""
        parts = [collect_groups(groups) for groups in windows]
        tokens, budgets, _ = map(list, zip(*parts))
        tokens, budgets = torch.cat(tokens).cpu(), torch.cat(budgets).cpu()
        pieces = self.codec.decode_stream(tokens, **decoding)
        wav = torch.cat([piece.cpu() for piece in pieces])
        return Speech(wav, self.sample_rate, tokens, budgets, True)

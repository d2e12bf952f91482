"""Speaker similarity by the paper's judge, WavLM-large speaker verification.

It needs the file wavlm_large_finetune.pth of UniSpeech's speaker verification
(README of microsoft/UniSpeech, downstreams/speaker_verification), and downloads
nothing.
"""

from pathlib import Path

import torch
from torch.nn import functional as F

from speechbrain_gogo.metrics.backends import load_weights
from speechbrain_gogo.metrics.signals import LEAST_SOUND, at_rate, sound_seconds
from speechbrain_gogo.metrics.speakers.similarity import RATE
from speechbrain_gogo.metrics.speakers.speaker_network import (
    SpeakerNetwork,
    published_state,
)
from speechbrain_gogo.metrics.speech_metric import BatchedMetric, Figure
from speechbrain_gogo.optional_packages import import_backend

LARGE = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
}


class WavLMSimilarity(BatchedMetric):
    """Cosine between the voices of a signal and its original, or its prompt.

    Without 0.4 s of sound in both there is no score.

    Arguments
    ---------
    checkpoint : str | Path
        wavlm_large_finetune.pth.
    sample_rate : int
        Rate of the signals, in Hz.
    device : str
        Device of the network.
    wavlm : dict
        Configuration of WavLM, if not that of WavLM-large.
    """

    columns = ("wavlm_similarity",)
    figures = (Figure("SIM, WavLM", "wavlm_similarity"),)

    def __init__(self, checkpoint, sample_rate=24000, device="cpu", wavlm=None):
        from transformers import WavLMConfig, WavLMModel

        super().__init__(sample_rate, device)
        package = import_backend("transformers", "transformers")
        self.judge = (
            f"SIM: {Path(checkpoint).name} (UniSpeech) by {package}, {RATE} "
            "Hz, cosine with the original"
        )
        state = load_weights(_read, checkpoint, "SIM by WavLM")
        network = SpeakerNetwork(WavLMModel(WavLMConfig(**(wavlm or LARGE))))
        try:
            network.load_state_dict(published_state(state))
        except RuntimeError as error:
            raise ValueError(
                f"{checkpoint} is not the speaker verification model "
                f"wavlm_large_finetune.pth: {error}"
            ) from error
        self._network = network.to(device).eval()

    @torch.no_grad()
    def measure_batch(self, predicts, targets, transcripts=None):
        """See :meth:`BatchedMetric.measure_batch`."""
        pairs = [
            [at_rate(wav, self.sample_rate, RATE) for wav in pair]
            for pair in zip(predicts, targets)
        ]
        audible = [
            min(sound_seconds(wav, RATE) for wav in pair) >= LEAST_SOUND
            for pair in pairs
        ]
        if not any(audible):
            return [self.no_score for _ in pairs]
        # Those to judge, then their originals.
        sides = zip(*(pair for pair, good in zip(pairs, audible) if good))
        wavs = [torch.from_numpy(wav) for side in sides for wav in side]
        voices = self._network([wav.to(self.device) for wav in wavs])
        cosines = iter(F.cosine_similarity(*voices.chunk(2)).tolist())
        return [
            {"wavlm_similarity": next(cosines)} if good else self.no_score
            for good in audible
        ]


def _read(path):
    """The checkpoint's tensors, without running code in a pickle."""
    return torch.load(path, map_location="cpu", weights_only=True)["model"]

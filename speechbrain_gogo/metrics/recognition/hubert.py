"""Word errors by the paper's recogniser, HuBERT-large fine-tuned with CTC.

Greedy CTC decoding without a language model. The weights are those of
facebook/hubert-large-ls960-ft (Apache-2.0), through transformers.
"""

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from speechbrain_gogo.metrics.backends import load_weights
from speechbrain_gogo.metrics.recognition.words import RATE, RecognitionErrors
from speechbrain_gogo.metrics.signals import at_rate
from speechbrain_gogo.optional_packages import import_backend


class HubertWordErrors(RecognitionErrors):
    """Word error rate by HuBERT and CTC.

    Arguments
    ---------
    sample_rate : int
        Rate of the signals, in Hz.
    source : str
        Hub id or folder of a HubertForCTC with its processor.
    normalizer : str
        Normalization of transcripts, one of transcripts.NORMALIZERS.
    device : str
        Device of the network.
    """

    def __init__(
        self,
        sample_rate=24000,
        source="facebook/hubert-large-ls960-ft",
        normalizer="words",
        device="cpu",
    ):
        from transformers import HubertForCTC, Wav2Vec2Processor

        super().__init__(sample_rate, normalizer, "hubert_", "WER, HuBERT")
        self.device = device
        package = import_backend("transformers", "transformers")
        self.judge = (
            f"word errors: {source} by {package}, {RATE} Hz, CTC argmax, "
            f"words compared as '{normalizer}'"
        )
        self._processor, self._network = load_weights(
            lambda source: (
                Wav2Vec2Processor.from_pretrained(source),
                HubertForCTC.from_pretrained(source, dtype=torch.float32),
            ),
            source,
            "WER by HuBERT",
            probe="config.json",
        )
        self._network.to(device).eval()

    @torch.no_grad()
    def recognize(self, wavs):
        """See :meth:`RecognitionErrors.recognize`."""
        norm = self._network.config.feat_extract_norm
        if norm == "group" and len(wavs) > 1:  # over time, padding included
            return [self.recognize([wav])[0] for wav in wavs]
        wavs = [at_rate(wav, self.sample_rate, RATE) for wav in wavs]
        # The first frame takes 400 samples.
        wavs = [np.pad(wav, (0, max(0, 400 - len(wav)))) for wav in wavs]
        # Each on its own, so that no scale depends on padding.
        features = [
            self._processor(wav, sampling_rate=RATE, return_tensors="pt")
            for wav in wavs
        ]
        values = [feature.input_values[0] for feature in features]
        lens = torch.tensor([len(value) for value in values])
        padded = pad_sequence(values, batch_first=True)  # [B, T]
        mask = torch.arange(padded.shape[1]) < lens.unsqueeze(1)
        logits = self._network(
            padded.to(self.device), attention_mask=mask.long().to(self.device)
        ).logits  # [B, frames, letters]
        frames = self._network._get_feat_extract_output_lengths(lens)
        best = [row[:n] for row, n in zip(logits.argmax(-1).cpu(), frames)]
        return self._processor.batch_decode(best)

    def measure_batch(self, predicts, targets, transcripts):
        """See :meth:`BatchedMetric.measure_batch`."""
        return self.count(transcripts, self.recognize(predicts))

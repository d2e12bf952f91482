"""DNSMOS (Reddy et al., 2022), a learned opinion score without a reference.

It uses speechmos, which includes its models: the P.808 head, which matches the
paper's value for the ground truth, and the three P.835 heads (overall, signal,
background), which take 20 times as long.
"""

from functools import cached_property
from pathlib import Path

import numpy as np

from speechbrain_gogo.metrics.signals import at_rate
from speechbrain_gogo.metrics.speech_metric import Figure, SpeechMetric
from speechbrain_gogo.optional_packages import import_backend

RATE = 16000
LABELS = {
    "p808_mos": "DNSMOS P.808",
    "ovrl_mos": "DNSMOS OVRL",
    "sig_mos": "DNSMOS SIG",
    "bak_mos": "DNSMOS BAK",
}


class _LeftOut:
    """Replaces the P.835 network if none of its heads is needed."""

    def run(self, *_):
        return [np.full((1, 3), np.nan)]


class DNSMOS(SpeechMetric):
    """Opinion scores, 1 to 5, without a reference.

    Silence has a score; a signal without samples has none.

    Arguments
    ---------
    heads : list of str
        One or more of p808_mos, ovrl_mos, sig_mos and bak_mos; the first is the
        score that MetricStats averages.
    sample_rate : int
        Rate of the signals, in Hz.

    Example
    -------
    >>> DNSMOS(heads=["p808_mos"]).columns
    ('p808_mos',)
    """

    def __init__(self, heads=tuple(LABELS), sample_rate=24000):
        unknown = set(heads) - set(LABELS)
        if unknown or not heads:
            raise ValueError(
                f"DNSMOS has the heads {', '.join(LABELS)}, not {heads}."
            )
        super().__init__(sample_rate)
        self.columns = tuple(heads)
        self.figures = tuple(Figure(LABELS[h], h) for h in heads)
        import_backend("onnxruntime", "onnxruntime")
        package = import_backend("speechmos.dnsmos", "speechmos")
        self.judge = f"DNSMOS: {package}, {RATE} Hz"

    @cached_property
    def _model(self):
        """speechmos' model, its networks on one thread each."""
        import onnxruntime
        from speechmos import dnsmos

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        folder = Path(dnsmos.__file__).parent / "dnsmos_models"
        paths = [
            str(folder / name) for name in ("sig_bak_ovr.onnx", "model_v8.onnx")
        ]
        model = dnsmos.DNSMOS(*paths)
        model.onnx_sess, model.p808_onnx_sess = (
            onnxruntime.InferenceSession(path, options) for path in paths
        )
        if self.columns == ("p808_mos",):
            model.onnx_sess = _LeftOut()
        return model

    def measure(self, predict, target=None, transcript=None):
        """See :meth:`SpeechMetric.measure`."""
        wav = at_rate(predict, self.sample_rate, RATE)
        if not len(wav):  # speechmos would loop forever
            return self.no_score
        scores = self._model(wav, RATE, False)
        return {head: float(scores[head]) for head in self.columns}

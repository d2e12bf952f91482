"""UTMOS (Saeki et al., 2022), a learned naturalness score without a reference.

The strong learner of the paper's protocol. No maintained package has it; what
everyone uses is SpeechMOS on GitHub (MIT), through torch.hub, which runs that
repository's code. There is no offline judge of this kind.
"""

import sys
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import torch

from speechbrain_gogo.metrics.backends import load_weights
from speechbrain_gogo.metrics.signals import at_rate
from speechbrain_gogo.metrics.speech_metric import BatchedMetric, Figure

RATE = 16000
SHORTEST = 400  # samples, of which its first frame is made
ENTRY = "utmos22_strong"
PACKAGE = "speechmos"  # of that repository; DNSMOS' package has the same name


class UTMOS(BatchedMetric):
    """Opinion score, 1 to 5, without a reference.

    Arguments
    ---------
    source : str
        Repository and tag on GitHub, or a folder with a copy of it.
    sample_rate : int
        Rate of the signals, in Hz.
    device : str
        Device of the network.
    trust_code : bool
        Whether code from GitHub may run; a folder is taken as trusted.
    """

    columns = ("utmos",)
    figures = (Figure("UTMOS", "utmos"),)

    def __init__(
        self,
        source="tarepan/SpeechMOS:v1.2.0",
        sample_rate=24000,
        device="cpu",
        trust_code=False,
    ):
        super().__init__(sample_rate, device)
        local = Path(source).is_dir()
        name = source.replace("/", "_").replace(":", "_")  # torch.hub's
        folder = source if local else Path(torch.hub.get_dir()) / name
        if not (local or trust_code):
            raise ValueError(
                f"UTMOS would run the code of {source} on GitHub. Look at it, "
                "then set trust_code, or give a folder with a copy of it (in "
                "a recipe, --trust_utmos_code or --utmos_source)."
            )
        self.judge = f"UTMOS: {ENTRY} of {source}, {RATE} Hz, one by one"
        with _package_of(folder):
            self._network = load_weights(
                lambda source: torch.hub.load(
                    source,
                    ENTRY,
                    source="local" if local else "github",
                    trust_repo=True,
                ),
                source,
                "UTMOS",
            )
        self._network.to(device).eval()

    @torch.no_grad()
    def measure_batch(self, predicts, targets=None, transcripts=None):
        """See :meth:`BatchedMetric.measure_batch`."""
        rows = []
        for wav in predicts:  # the network has no mask, padding would count
            wav = torch.from_numpy(at_rate(wav, self.sample_rate, RATE))
            if len(wav) < SHORTEST:
                rows.append(self.no_score)
                continue
            score = self._network(wav.unsqueeze(0).to(self.device), RATE)
            rows.append({"utmos": float(score)})
        return rows


@contextmanager
def _package_of(folder):
    """Import PACKAGE from the folder, even if another one is loaded."""

    def loaded():
        return [key for key in sys.modules if key.split(".")[0] == PACKAGE]

    before = {key: sys.modules.pop(key) for key in loaded()}
    package = ModuleType(PACKAGE)
    package.__path__ = [str(Path(folder) / PACKAGE)]
    sys.modules[PACKAGE] = package
    try:
        yield
    finally:
        for key in loaded():
            del sys.modules[key]
        sys.modules.update(before)

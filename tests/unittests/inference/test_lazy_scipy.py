"""SpeechBrain is imported without scipy.stats, and works as with it."""

import subprocess
import sys

SAMPLES = """
import sys
import speechbrain_gogo.inference
assert "scipy.stats" not in sys.modules
from speechbrain.dataio.sampler import lognorm
assert "scipy.stats" not in sys.modules
first = lognorm.ppf(0.3, 1)
import scipy.stats
assert first == scipy.stats.lognorm.ppf(0.3, 1)
assert float(lognorm(1).ppf(0.3)) == first
"""

OTHER_IMPORTS = """
import sys
from speechbrain_gogo.lazy_scipy import is_lazy, lazy_stats
sys.modules["scipy.stats"] = lazy_stats()
from scipy.stats import lognorm
assert is_lazy(sys.modules["scipy.stats"])
from scipy.stats import norm
assert not is_lazy(sys.modules["scipy.stats"])
assert norm.cdf(0) == 0.5
"""

SUBMODULE = """
import sys
from speechbrain_gogo.lazy_scipy import is_lazy, lazy_stats
sys.modules["scipy.stats"] = lazy_stats()
import scipy.stats.qmc
assert scipy.stats.qmc.Sobol(1).random(2).shape == (2, 1)
"""


def run(script):
    subprocess.run([sys.executable, "-c", script], check=True)


def test_scipy_is_imported_when_it_is_used():
    run(SAMPLES)


def test_other_imports_meanwhile_get_the_real_module():
    run(OTHER_IMPORTS)
    run(SUBMODULE)

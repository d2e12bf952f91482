"""Published codecs of Table 1, each through a maintained package.

EnCodec, DAC, Mimi and X-codec2 are part of transformers; SNAC and
SpeechTokenizer have their own packages (extra_requirements.txt). All but SNAC
are residual quantizers or have one codebook, so fewer codebooks are the first
rows of the codes. The interface is that of systems.py.
"""

import math
from pathlib import Path

import torch
from systems import Rate, count_codebooks
from torch.nn import functional as F

from speechbrain_gogo.lobes.nn.fingerprint import hash_weights
from speechbrain_gogo.metrics.backends import load_weights
from speechbrain_gogo.optional_packages import import_backend


class Baseline:
    """A codec with published weights, a row for each number of codebooks.

    Subclasses set ``name``, ``sample_rate``, ``hop_length`` (samples per frame)
    and ``codebook_size`` and implement :meth:`load`, :meth:`encode` and
    :meth:`decode`. The checkpoint is the id of a hub's repository, or a folder
    with a copy of it; the licence is that of the weights.
    """

    package = None  # that is needed besides transformers
    config_file = "config.json"  # in the checkpoint's repository

    def __init__(self, checkpoint, licence, codebooks=(1,), run_opts=None):
        self.checkpoint, self.licence = str(checkpoint), licence
        self.codebooks = codebooks
        self.device = (run_opts or {}).get("device") or "cpu"
        if self.package is not None:
            import_backend(self.package, self.package, extra=None)
        self.network = load_weights(
            self.load, checkpoint, self.name, probe=self.config_file
        )
        self.network.to(self.device).eval()
        self.settings = {
            "checkpoint": self.checkpoint,
            "weights": hash_weights(self.network.state_dict()),
        }

    def rows(self, utterances):
        """A row for each number of codebooks."""
        return {count_codebooks(n): {"codebooks": n} for n in self.codebooks}

    def rate(self, codebooks):
        """Rates of a row."""
        frames = self.sample_rate / self.hop_length
        tokens = frames * codebooks
        bits = tokens * math.log2(self.codebook_size)
        return Rate(tokens, frames, codebooks, bits)

    @torch.no_grad()
    def reconstruct(self, wavs, codebooks):
        """Encode and decode [1, T] at ``sample_rate``, to about the same T."""
        codes = self.encode(wavs.unsqueeze(1).to(self.device))
        if len(codes) < codebooks:
            raise ValueError(
                f"{self.checkpoint} has {len(codes)} codebooks, not {codebooks}."
            )
        decoded = self.decode(codes[:codebooks])
        return decoded.reshape(1, -1)[:, : wavs.shape[1]]


class TransformersCodec(Baseline):
    """Base class of the codecs of transformers."""

    def load(self, source):
        """Load the model of transformers."""
        from transformers import AutoModel

        network = AutoModel.from_pretrained(source, dtype=torch.float32)
        config = network.config
        self.sample_rate = config.sampling_rate
        self.hop_length = getattr(config, "hop_length", None) or round(
            config.sampling_rate / config.frame_rate
        )
        self.codebook_size = self.size_of(config)
        return network

    def size_of(self, config):
        """Entries of a codebook."""
        return config.codebook_size

    def encode(self, wavs):
        """[1, 1, T] -> codes [K, T'], all codebooks."""
        return self.network.encode(wavs).audio_codes[0]

    def decode(self, codes):
        """Codes [K, T'] -> audio."""
        decoded = self.network.decode(audio_codes=codes.unsqueeze(0))
        return decoded.audio_values


class EnCodec(TransformersCodec):
    """EnCodec (Defossez et al., 2022)."""

    name = "EnCodec"

    def encode(self, wavs):
        """[1, 1, T] -> codes [K, T'], all codebooks."""
        widest = max(self.network.config.target_bandwidths)
        found = self.network.encode(wavs, bandwidth=widest)
        return found.audio_codes[0, 0]  # one chunk, as at 24 kHz

    def decode(self, codes):
        """Codes [K, T'] -> audio; no scales, as at 24 kHz."""
        chunks = codes[None, None]  # [chunks, B, K, T']
        return self.network.decode(chunks, audio_scales=[None]).audio_values


class DAC(TransformersCodec):
    """The Descript audio codec (Kumar et al., 2023)."""

    name = "DAC"

    def encode(self, wavs):
        """[1, 1, T] -> codes [K, T'], all codebooks, of whole frames."""
        padding = -wavs.shape[-1] % self.hop_length
        return super().encode(F.pad(wavs, (0, padding)))


class Mimi(TransformersCodec):
    """Mimi (Defossez et al., 2024)."""

    name = "Mimi"


class XCodec2(TransformersCodec):
    """X-codec2 (Ye et al., 2025)."""

    name = "X-codec2"

    def load(self, source):
        """The weights, and what makes features for its semantic encoder."""
        from transformers import AutoFeatureExtractor

        self._features = AutoFeatureExtractor.from_pretrained(source)
        return super().load(source)

    def size_of(self, config):
        """Entries of its codebook, a product of levels."""
        return math.prod(config.quantization_levels)

    def encode(self, wavs):
        """[1, 1, T] -> codes [1, T']."""
        features = self._features(
            audio=wavs[0, 0].cpu(),
            sampling_rate=self.sample_rate,
            return_tensors="pt",
        ).to(self.device)
        return self.network.encode(**features).audio_codes[0]


class SNAC(Baseline):
    """SNAC (Siuzdak et al., 2024); its codebooks have different rates."""

    name, package = "SNAC", "snac"

    def load(self, source):
        """Weights as its package has them."""
        from snac import SNAC as Network

        network = Network.from_pretrained(str(source))
        self.sample_rate = network.sampling_rate
        self.hop_length = int(network.hop_length)
        self.codebook_size = network.codebook_size
        return network

    def rate(self, codebooks):
        """Coarse codebooks have a code for several frames."""
        frames = self.sample_rate / self.hop_length
        strides = self.network.vq_strides[:codebooks]
        tokens = sum(frames / stride for stride in strides)
        bits = tokens * math.log2(self.codebook_size)
        return Rate(tokens, frames, codebooks, bits)

    def encode(self, wavs):
        """[1, 1, T] -> list of codes [1, T' / stride]."""
        return self.network.encode(wavs)

    def decode(self, codes):
        """List of codes -> audio, with the same noise every time."""
        if len(codes) < self.network.n_codebooks:
            raise ValueError(
                f"SNAC decodes all of its {self.network.n_codebooks} codebooks "
                f"or none, not {len(codes)}."
            )
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return self.network.decode(codes)


class SpeechTokenizer(Baseline):
    """SpeechTokenizer (Zhang et al., 2024)."""

    name, package = "SpeechTokenizer", "speechtokenizer"
    config_file = "speechtokenizer_hubert_avg/config.json"

    def load(self, source):
        """Weights as its package has them."""
        from huggingface_hub import snapshot_download
        from speechtokenizer import SpeechTokenizer as Network

        folder = Path(source)
        if not folder.is_dir():
            folder = Path(
                snapshot_download(
                    str(source),
                    allow_patterns=f"{Path(self.config_file).parent}/*",
                )
            )
        (weights,) = folder.rglob("SpeechTokenizer.pt")
        network = Network.load_from_checkpoint(
            str(weights.with_name("config.json")), str(weights)
        )
        self.sample_rate = network.sample_rate
        self.hop_length = int(network.downsample_rate)
        self.codebook_size = network.quantizer.bins
        return network

    def encode(self, wavs):
        """[1, 1, T] -> codes [K, T']."""
        return self.network.encode(wavs)[:, 0]

    def decode(self, codes):
        """Codes [K, T'] -> audio."""
        return self.network.decode(codes.unsqueeze(1))

"""The codecs that the benchmark compares, behind one small interface.

Gogo (from memory and from file to file) and, from transformers, EnCodec, DAC
and Mimi in their default configurations. Weights are random: speed does not
depend on them. Every codec is written to a folder once and then loaded from
there as its users load it. The measurements are in measure.py.
"""

import math

import soundfile
import torch
from hyperpyyaml import load_hyperpyyaml
from transformers import AutoConfig, AutoModel

from speechbrain_gogo.inference import GogoCodec
from speechbrain_gogo.inference.loading.export import export_codec


class Gogo:
    """Gogo with audio and tokens in memory.

    ``num_steps`` are the flow steps of decoding, None for the model's setting.
    """

    title = "Gogo"
    streams = False  # True if long audio is never in memory as a whole

    def __init__(self, folder, device):
        self.codec = GogoCodec.from_hparams(
            folder / "gogo", run_opts={"device": device}
        )
        self.networks = self.codec.mods
        self.sample_rate = self.codec.sample_rate
        self.num_steps = None
        self.folder = folder

    @staticmethod
    def prepare(folder, yaml):
        """Write random weights for the model of a YAML."""
        with open(yaml) as stream:
            hparams = load_hyperpyyaml(stream)
        export_codec(
            folder / "gogo",
            yaml,
            hparams["model"]["codec"],
            hparams["vocoder"],
            window_groups=hparams["window_groups"],
            overlap_groups=hparams["overlap_groups"],
        )

    def audio(self, seconds):
        """Input of encode."""
        return noise(seconds, self.sample_rate)

    def codes(self, seconds):
        """Input of decode, int64 [1, N, 10]."""
        groups = math.ceil(seconds * self.codec.group_rate)
        size = (1, groups, self.codec.num_codebooks)
        return torch.randint(self.codec.vocab_size, size)

    def encode(self, audio):
        """Audio to tokens."""
        return self.codec.encode_batch(audio)

    def decode(self, codes):
        """Tokens to audio."""
        return self.codec.decode_batch(codes, num_steps=self.num_steps)


class GogoFile(Gogo):
    """Gogo from file to file, at bounded memory."""

    title = "Gogo, files"
    streams = True

    def audio(self, seconds):
        """Path of an audio file, written block by block."""
        path = self.folder / "audio.wav"
        write_noise(path, seconds, self.sample_rate)
        return path

    def encode(self, audio):
        """Audio file to tokens."""
        return self.codec.encode_file(audio)

    def decode(self, codes):
        """Tokens to audio file."""
        path = self.folder / "decoded.wav"
        self.codec.decode_file(codes[0], path, num_steps=self.num_steps)


class Peer:
    """A codec of transformers in its default configuration."""

    streams = False
    kind = None  # transformers' name of the model

    def __init__(self, folder, device):
        self.device = device
        networks = AutoModel.from_pretrained(folder / self.kind)
        self.networks = networks.to(device).eval()
        config = self.networks.config
        self.sample_rate = config.sampling_rate
        hop = getattr(config, "hop_length", None)
        self.frame_rate = self.sample_rate / hop if hop else config.frame_rate

    @classmethod
    def prepare(cls, folder, _):
        """Write random weights."""
        config = AutoConfig.for_model(cls.kind)
        AutoModel.from_config(config).save_pretrained(folder / cls.kind)

    def audio(self, seconds):
        """Input of encode, [1, 1, T]."""
        wavs = noise(seconds, self.sample_rate).unsqueeze(1)
        return wavs.to(self.device)

    def codes(self, seconds):
        """Input of decode: frames drawn from the codes of a second."""
        second = self.encode(self.audio(1)).audio_codes  # [..., K, T]
        frames = math.ceil(seconds * self.frame_rate)
        times = torch.randint(second.shape[-1], (frames,))
        return second[..., times.to(self.device)]

    def encode(self, audio):
        """Audio to codes."""
        return self.networks.encode(audio)

    def decode(self, codes):
        """Codes to audio."""
        return self.networks.decode(audio_codes=codes)


class EnCodec(Peer):
    """EnCodec of transformers."""

    title, kind = "EnCodec", "encodec"

    def decode(self, codes):
        """Codes to audio; the default configuration does not scale it."""
        return self.networks.decode(audio_codes=codes, audio_scales=[None])


class DAC(Peer):
    """DAC of transformers."""

    title, kind = "DAC", "dac"


class Mimi(Peer):
    """Mimi of transformers."""

    title, kind = "Mimi", "mimi"


SYSTEMS = {
    "gogo": Gogo,
    "gogo-file": GogoFile,
    "encodec": EnCodec,
    "dac": DAC,
    "mimi": Mimi,
}


def noise(seconds, sample_rate):
    """White noise at the level of speech, [1, T]."""
    return 0.1 * torch.randn(1, round(seconds * sample_rate))


def write_noise(path, seconds, sample_rate):
    """An audio file of white noise, written block by block."""
    with soundfile.SoundFile(str(path), "w", sample_rate, 1) as sound:
        for start in range(0, math.ceil(seconds), 10):
            block = noise(min(10, seconds - start), sample_rate)
            sound.write(block[0].numpy())

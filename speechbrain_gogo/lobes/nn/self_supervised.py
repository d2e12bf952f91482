"""Frozen features of speech from a pretrained network of transformers.

SoCodec encodes such features (Section 3.2.1: a Chinese HuBERT). HuBERT, WavLM,
wav2vec 2.0 and the encoder of Whisper all give a frame every 20 ms. The network
is not part of the module's weights: it is frozen, loaded at the first use, and
stays in evaluation mode. Its weights keep the precision in which they were saved.

Letters: T samples, F frames, D width of the features.
"""

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

FRAME = 320  # samples from frame to frame, at 16 kHz
SEEN = 400  # samples from which HuBERT and similar networks compute a frame


class SelfSupervised(nn.Module):
    """Features of clips, computed one by one.

    Arguments
    ---------
    source : str | Path
        A folder with a network that ``save_pretrained`` of transformers wrote,
        or an id of the Hugging Face hub.
    layer : int
        Number of transformer layers to apply, 0 for their input; by default
        all, and the network's final normalisation.
    normalize : bool
        Normalise each clip, with its tail, to mean 0 and variance 1 (not for
        Whisper, whose input is computed by its own extractor).
    tail_seconds : float
        Silence appended to each clip, at least 0.005 s, so that its last frame
        is complete. Its frames are masked in attention and dropped. Whisper
        needs none.
    max_seconds : float
        Longest clip, because the cost of attention is quadratic. Whisper's
        input is 30 s at most.

    Example
    -------
    >>> features = SelfSupervised("openai/whisper-base")  # loads nothing yet
    >>> sum(p.numel() for p in features.parameters())
    0
    """

    sample_rate = 16000

    def __init__(
        self,
        source,
        layer=None,
        normalize=True,
        tail_seconds=0.2,
        max_seconds=60.0,
    ):
        super().__init__()
        least = (SEEN - FRAME) / self.sample_rate
        if tail_seconds < least:
            raise ValueError(
                f"tail_seconds={tail_seconds}: give at least {least:g}, without "
                "which the last frame is lost."
            )
        self.source = str(source)
        self.layer = layer
        self.normalize = normalize
        self.tail_seconds = tail_seconds
        self.max_seconds = max_seconds
        self._loaded = {}  # hides the network from the module's weights

    @property
    def signature(self):
        """Settings on which the features depend, besides the network: a list."""
        return [self.layer, self.normalize, self.tail_seconds]

    def look_in(self, folder):
        """Make ``source`` relative to a model's folder, if the network is there."""
        if (Path(folder) / self.source / "config.json").is_file():
            self.source = str(Path(folder) / self.source)

    def use(self, network, extractor=None):
        """Use a network that is in memory, instead of loading ``source``.

        It is a HubertModel or a similar one, or the encoder of Whisper with its
        feature extractor. Raises a ValueError if it has too few layers.
        """
        layers = network.config.num_hidden_layers
        if self.layer is not None and not 0 <= self.layer <= layers:
            raise ValueError(
                f"layer={self.layer} of '{self.source}': it has {layers} "
                "layers. Give a number from 0 to that."
            )
        network.eval().requires_grad_(False)
        self._loaded = {"network": network, "extractor": extractor}

    def save_pretrained(self, folder):
        """Write the network of ``source`` to a folder, as another ``source``.

        Whisper's decoder is included: without it, transformers does not load
        the encoder.
        """
        network, extractor = _load(self.source)
        network.save_pretrained(folder)
        if extractor is not None:
            extractor.save_pretrained(folder)

    @torch.no_grad()
    def forward(self, wav):
        """Features [T / 320, D], in fp32, of one clip [T] in [-1, 1].

        Raises a ValueError if the clip is too long or not a multiple of 320 samples,
        or the network can not be loaded or has too few layers.
        """
        network = self._network(wav.device)
        read, longest = self._read_with_hubert, self.max_seconds
        if network.config.model_type == "whisper":
            frames = network.config.max_source_positions
            longest = min(longest, frames * FRAME / self.sample_rate)
            read = self._read_with_whisper
        if len(wav) > longest * self.sample_rate or len(wav) % FRAME:
            raise ValueError(
                f"A clip of {len(wav)} samples: the network reads at most "
                f"{longest:g} s ({self.sample_rate} Hz), and multiples of "
                f"{FRAME} samples. Cut the clip."
            )
        return read(network, wav).float()

    def _read_with_hubert(self, network, wav):
        """Features of HuBERT, WavLM or wav2vec 2.0."""
        tail = round(self.tail_seconds * self.sample_rate)
        padded = F.pad(wav, (0, tail)).unsqueeze(0)
        if self.normalize:
            padded = F.layer_norm(padded, padded.shape)
        # T / 320 frames need so many samples.
        needed = len(wav) + SEEN - FRAME
        place = torch.arange(padded.shape[1], device=wav.device)
        out = network(
            padded.to(network.dtype),
            attention_mask=(place < needed).long().unsqueeze(0),
            output_hidden_states=self.layer is not None,
        )
        if self.layer is None:
            x = out.last_hidden_state
        else:
            x = out.hidden_states[self.layer]
        return x[0, : len(wav) // FRAME]

    def _read_with_whisper(self, encoder, wav):
        """Features of Whisper's encoder, for the duration of the clip.

        The forward pass of transformers requires inputs of 30 s. The layers
        take any length, so they are called one by one.
        """
        with torch.autocast("cpu", enabled=False):
            mel = self._loaded["extractor"](
                wav.cpu().numpy(),
                sampling_rate=self.sample_rate,
                padding="longest",
                pad_to_multiple_of=FRAME,
                return_tensors="pt",
            ).input_features.to(wav.device)  # [1, n_mels, 2 * T / 320]
        weight = encoder.conv1.weight
        x = F.gelu(encoder.conv1(mel.to(weight.dtype)))
        x = F.gelu(encoder.conv2(x)).transpose(1, 2)  # [1, T / 320, D]
        x = x + encoder.embed_positions.weight[: x.shape[1]]
        for layer in encoder.layers[: self.layer]:
            x = layer(x, attention_mask=None)
        if self.layer is None:
            x = encoder.layer_norm(x)
        return x[0]

    def _network(self, device):
        """The network on a device; it is loaded at the first call."""
        if not self._loaded:
            # Its weights are drawn before they are read; dropout of a training
            # must not depend on when that is.
            with torch.random.fork_rng(devices=[]):
                network, extractor = _load(self.source)
            if extractor is not None:
                network = network.get_encoder()
            self.use(network, extractor)
        network = self._loaded["network"]
        return network if network.device == device else network.to(device)


def _load(source):
    """A network of transformers, and the feature extractor if it is Whisper."""
    from transformers import AutoFeatureExtractor, AutoModel

    try:
        network = AutoModel.from_pretrained(source)
        if network.config.model_type != "whisper":
            return network, None
        return network, AutoFeatureExtractor.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"The self-supervised features '{source}' can not be loaded: give a "
            "folder of transformers or an id of the Hugging Face hub "
            f"({error})."
        ) from None

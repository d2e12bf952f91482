"""Frozen features of speech from a pretrained network of transformers.

SoCodec encodes such features (Section 3.2.1: a Chinese HuBERT). HuBERT, WavLM,
wav2vec 2.0 and the encoder of Whisper all give a frame every 20 ms. The network
is not part of the module's weights: it is frozen, loaded at the first use, and
stays in evaluation mode and in its own precision.

Letters: T samples, F frames, D width of the features.
"""

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

FRAME = 320  # samples from frame to frame, at 16 kHz
SEEN = 400  # samples that a frame of HuBERT and similar networks sees


class SelfSupervised(nn.Module):
    """Features of clips, computed one by one.

    Arguments
    ---------
    source : str | Path
        A folder with a network that ``save_pretrained`` of transformers wrote,
        or an id of the Hugging Face hub.
    layer : int
        Transformer layer whose output is taken; the last by default, after
        the network's final normalisation.
    normalize : bool
        Bring each clip to mean 0 and variance 1 before (not for Whisper, whose
        features are made by its own extractor).
    tail_seconds : float
        Silence appended to each clip, so that its last frame is complete. Its
        frames are masked in attention and dropped.
    max_seconds : float
        Longest clip: attention is quadratic. Whisper's limit is 30 s.

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
        """Take ``source`` as relative to a folder, if it is there.

        Arguments
        ---------
        folder : str | Path
            Folder of the model that this belongs to.
        """
        if (Path(folder) / self.source / "config.json").is_file():
            self.source = str(Path(folder) / self.source)

    def use(self, network):
        """Take a network that is in memory.

        Arguments
        ---------
        network : transformers.PreTrainedModel
            HubertModel or one like it.
        """
        self._loaded = {"network": network.eval().requires_grad_(False)}

    def save_pretrained(self, folder):
        """Write the network as a folder that ``source`` can name.

        All of it: of Whisper that includes the decoder, without which
        transformers does not read the encoder again.

        Arguments
        ---------
        folder : str | Path
            Folder to write; created if needed.
        """
        network, extractor = _load(self.source)
        network.save_pretrained(folder)
        if extractor is not None:
            extractor.save_pretrained(folder)

    @property
    def dim(self):
        """Width D of the features."""
        return self._network("cpu").config.hidden_size

    @torch.no_grad()
    def forward(self, wav):
        """Features of one clip.

        Arguments
        ---------
        wav : torch.Tensor
            [T] in [-1, 1], T a multiple of 320.

        Returns
        -------
        torch.Tensor
            [T / 320, D], in fp32.

        Raises
        ------
        ValueError
            If the clip is too long, or no whole number of frames.
        """
        if len(wav) > self.max_seconds * self.sample_rate or len(wav) % FRAME:
            raise ValueError(
                f"A clip of {len(wav)} samples: the network reads "
                f"{self.max_seconds:g} s at most, and multiples of {FRAME}."
            )
        network = self._network(wav.device)
        if network.config.model_type == "whisper":
            return self._read_with_whisper(network, wav).float()
        return self._read(network, wav).float()

    def _read(self, network, wav):
        """Features of HuBERT, WavLM or wav2vec 2.0."""
        tail = round(self.tail_seconds * self.sample_rate)
        padded = F.pad(wav, (0, tail)).unsqueeze(0)
        if self.normalize:
            padded = F.layer_norm(padded, padded.shape)
        # The network makes T / 320 frames of so many samples.
        place = torch.arange(padded.shape[1], device=wav.device)
        mask = (place < len(wav) + SEEN - FRAME).long().unsqueeze(0)
        found = network(
            padded,
            attention_mask=mask,
            output_hidden_states=self.layer is not None,
        )
        if self.layer is None:
            x = found.last_hidden_state
        else:
            x = found.hidden_states[self.layer]
        return x[0, : len(wav) // FRAME]

    def _read_with_whisper(self, encoder, wav):
        """Features of Whisper's encoder, for the length of the clip alone.

        The model of transformers takes inputs of 30 s only. Its layers take
        any length, so they are called one by one.
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
            found, extractor = _load(self.source)
            if extractor is not None:
                found = found.get_encoder()
            self.use(found)
            self._loaded["extractor"] = extractor
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

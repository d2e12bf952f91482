"""What GogoSpeech gives back: speech, whole or while it is being spoken."""

from dataclasses import dataclass

import torch
from soundfile import SoundFile

from speechbrain_gogo.inference.checks import audio_path
from speechbrain_gogo.inference.streaming.live import decode_live


@dataclass
class Speech:
    """An utterance, on the CPU wherever it was spoken.

    wav: float32 [T]; sample_rate: in Hz; tokens: int64 [N, 10], the masking
    token where none was spoken; budgets: int64 [N], how many tokens of each
    group were; finished: False if speech was cut off because it did not end
    or repeated itself, or if there was none.
    """

    wav: torch.Tensor
    sample_rate: int
    tokens: torch.Tensor
    budgets: torch.Tensor
    finished: bool


class SpeechStream:
    """Iterator of pieces of audio, as soon as they can be heard.

    Each is float32 [T], on the CPU wherever it was spoken.

    Arguments
    ---------
    codec : GogoCodec
        Makes tokens audible.
    sentences : iterable
        For each sentence an iterable of
        :class:`~speechbrain_gogo.inference.speaking.speaker.Groups` with one line,
        which need not have been spoken yet.
    **decoding
        ``first_window``, ``overlap``, ``seed`` and others of
        :func:`~speechbrain_gogo.inference.streaming.live.decode_live`.
    """

    def __init__(self, codec, sentences, **decoding):
        self.sample_rate = codec.sample_rate
        self.heard = []  # pieces of audio so far
        self.spoken = []  # the groups of each sentence
        self.pieces = decode_live(codec, self._tokens(sentences), **decoding)

    def __iter__(self):
        return self

    def __next__(self):
        self.heard.append(next(self.pieces).cpu())
        return self.heard[-1]

    def speech(self):
        """Listen to the end.

        Returns
        -------
        Speech
            All of it, also what was heard before.
        """
        for _ in self:
            pass
        parts = [written_down(groups) for groups in self.spoken]
        tokens, budgets, finished = zip(*parts)
        tokens, budgets = torch.cat(tokens).cpu(), torch.cat(budgets).cpu()
        wav = torch.cat([torch.zeros(0), *self.heard])
        return Speech(wav, self.sample_rate, tokens, budgets, all(finished))

    def write(self, out_path):
        """Write audio into a file, which grows while it is being spoken.

        Arguments
        ---------
        out_path : str | Path
            Audio file (WAV, FLAC, OGG, MP3 by its suffix); folders are made.

        Yields
        ------
        float
            Seconds of audio written so far, after every piece.

        Raises
        ------
        ValueError
            If the suffix names no audio format.
        """
        out_path = audio_path(out_path)
        out_path.parent.mkdir(parents=True, exist_ok=True)
        with SoundFile(out_path, "w", self.sample_rate, channels=1) as sound:
            for audio in self:
                sound.write(audio.clamp(-1, 1).numpy())
                sound.flush()
                yield sound.tell() / self.sample_rate

    def _tokens(self, sentences):
        """Tokens [K] of one group after the other."""
        for sentence in sentences:
            self.spoken.append([])
            for groups in sentence:
                self.spoken[-1].append(groups)
                if groups.speaking[0]:
                    yield groups.tokens[0]


def written_down(spoken):
    """What one line has said.

    Arguments
    ---------
    spoken : list of Groups
        All of them, of this line alone.

    Returns
    -------
    tuple
        Tokens int64 [N, K], budgets int64 [N], and whether it has finished.
    """
    tokens, budgets, speaking, finished = (
        torch.cat(parts) for parts in zip(*spoken)
    )
    finished = bool(finished[-1] & speaking.any())
    return tokens[speaking], budgets[speaking], finished

"""Prompts of clips, and judges that compare with the prompt and with the clip."""

import random

from speechbrain_gogo.metrics import STOI, SpeakerSimilarity
from speechbrain_gogo.metrics.speech_metric import Figure


def choose_prompts(rows, same_speaker, seconds, seed):
    """A prompt for each clip: another clip, of the same or another speaker.

    Gives ID -> ID of the prompt, without clips for which there is none.
    ``seconds`` are the durations of the shortest and the longest prompt. The
    choice does not depend on the order of the rows. Raises a ValueError if no
    clip has a prompt, or a speaker is missing.

    Example
    -------
    >>> rows = {k: {"spk_id": k[0], "duration": 5} for k in ("a1", "a2", "b1")}
    >>> choose_prompts(rows, True, [3, 9], 0)
    {'a1': 'a2', 'a2': 'a1'}
    >>> choose_prompts(rows, False, [3, 9], 0)["a2"]
    'b1'
    """
    if any(not row.get("spk_id") for row in rows.values()):
        raise ValueError("The manifest needs speakers, in the column spk_id.")
    shortest, longest = seconds
    fitting = [
        key
        for key in sorted(rows)
        if shortest <= rows[key]["duration"] <= longest
    ]
    chosen = {}
    for key in sorted(rows):
        speaker = rows[key]["spk_id"]
        others = [
            other
            for other in fitting
            if (rows[other]["spk_id"] == speaker) == same_speaker
            and other != key
        ]
        if others:
            chosen[key] = random.Random(f"{seed} {key}").choice(others)
    if not chosen:
        raise ValueError(
            f"No clip has a prompt of {shortest:g} to {longest:g} s of "
            f"{'its own' if same_speaker else 'another'} speaker: change "
            "prompt_seconds."
        )
    return chosen


class TwoVoices(SpeakerSimilarity):
    """Similarity to the voice of a prompt and to that of the clip.

    Signals to compare with are pairs: the prompt and the clip as it was
    recorded.
    """

    columns = "similarity_prompt", "similarity_source", "nearer"
    figures = (
        Figure("similarity to the prompt", "similarity_prompt"),
        Figure("similarity to the source", "similarity_source"),
        Figure("nearer to the prompt (%)", "nearer", scale=100),
    )

    def __init__(self, sample_rate=24000):
        super().__init__(sample_rate)
        self.judge = self.judge.replace("with the original", "with each")

    def measure(self, predict, target, transcript=None):
        """See :meth:`SpeechMetric.measure`."""
        voices = [self._embed(wav) for wav in (predict, *target)]
        if any(voice is None for voice in voices):
            return self.no_score
        own, *others = voices
        prompt, source = (float(own @ other) for other in others)
        nearer = float(prompt > source)
        return dict(zip(self.columns, (prompt, source, nearer)))


class SourceSTOI(STOI):
    """STOI against the clip as it was recorded, before any disturbance.

    Signals to compare with are pairs: the prompt and the clip as it was
    recorded.
    """

    def measure(self, predict, target, transcript=None):
        """See :meth:`SpeechMetric.measure`."""
        return super().measure(predict, target[1], transcript)

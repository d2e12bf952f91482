"""Clips one after the other, as a prompt and what is said in its voice.

Stage I speaks on after a prompt (decision: text and backbone of both, one
after the other). Corpora of single sentences do not show how speech goes on
after a sentence, so two clips of a speaker become one. A group's tokens depend
on its own audio alone: joined tokens are those of the joined audio.
"""

import random
from collections import defaultdict

from torch import LongTensor, cat
from torch.utils.data import Dataset


class JoinedClips(Dataset):
    """A dataset of tokens, some of whose clips follow another one.

    Which clip goes before is drawn from those of the same speaker. A clip that
    would not fit beside it stays alone, and so do those whose speaker nobody
    knows. The last group of the first one is left out: it is padded with
    silence, and a prompt ends within speech.

    Arguments
    ---------
    clips : TokenDataset
        With texts, if its tokenizer is there.
    share : float
        Of the clips that follow another one, 0 to 1.
    seed : int
        Of the draw.

    Attributes
    ----------
    lengths : list of int
        Positions of each item, at most.

    Raises
    ------
    ValueError
        If the share is none.
    """

    def __init__(self, clips, share, seed=0):
        super().__init__()
        if not 0 <= share <= 1:
            raise ValueError(f"joined_share={share}: give a share, 0 to 1.")
        self.clips = clips
        self.lengths = list(clips.lengths)
        self.before = {}  # a clip's number to that of the one before it
        if share > 0:
            self._draw(share, random.Random(seed))

    def _draw(self, share, draw):
        """Choose who goes before whom."""
        of_speaker = defaultdict(list)
        speakers = self.clips.speakers()
        for index, speaker in enumerate(speakers):
            of_speaker[speaker].append(index)
        for index, speaker in enumerate(speakers):
            first = draw.choice(of_speaker[speaker])
            if draw.random() >= share or first == index or not speaker:
                continue
            before, after = self.clips.sizes[first], self.clips.sizes[index]
            positions = self.clips.count_positions(
                before[0] + after[0], before[1] - 1 + after[1]
            )
            if positions <= self.clips.max_positions:
                self.before[index] = first
                self.lengths[index] = positions

    def __len__(self):
        """As many as there are clips."""
        return len(self.clips)

    def __getitem__(self, index):
        """A clip, as the dataset of clips describes it."""
        item = self.clips[index]
        if index not in self.before:
            return item
        first = self.clips[self.before[index]]
        tokens = cat([first["tokens"][:-1], item["tokens"]])  # [N, K]
        joined = {
            **item,
            "id": f"{first['id']}+{item['id']}",
            "wrd": f"{first['wrd']} {item['wrd']}",
            "tokens": tokens,
            "num_groups": len(tokens),
        }
        if self.clips.tokenizer is not None:
            ids = self.clips.tokenizer.encode(joined["wrd"])
            joined["text_ids"] = LongTensor(ids)
            # Two texts as one may take more ids than they do apart.
            positions = self.clips.count_positions(len(ids), len(tokens))
            if positions > self.clips.max_positions:
                return item
        return joined

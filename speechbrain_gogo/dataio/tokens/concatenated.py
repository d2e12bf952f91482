"""Two clips of a speaker as one training sequence: an option of small models.

At inference Stage I continues a prompt: text and backbone of the prompt come
first, those of the target follow. Single sentences do not show such a
continuation, so pairs of clips of a speaker are concatenated. The tokens of a
group depend on its own audio only, so concatenated tokens are those of the
concatenated audio.
"""

import random
from collections import defaultdict

from torch import LongTensor, cat
from torch.utils.data import Dataset


class ConcatenatedClips(Dataset):
    """A dataset of tokens, some of whose clips are preceded by another one.

    The preceding clip is sampled from those of the same speaker. A clip stays
    single if both would not fit the positions, or if its speaker is unknown.
    The last group of the preceding clip is dropped: it is padded with silence,
    and a prompt ends within speech.

    Arguments
    ---------
    clips : TokenDataset
        With texts, if it has a tokenizer.
    share : float
        Share of the clips that are preceded by another one, 0 to 1.
    seed : int
        Of the sampling.

    Attributes
    ----------
    lengths : list of int
        Positions of each item, at most.

    Raises
    ------
    ValueError
        If the share is outside 0 to 1.
    """

    def __init__(self, clips, share, seed=0):
        super().__init__()
        if not 0 <= share <= 1:
            raise ValueError(
                f"concatenated_share={share}: give a share, 0 to 1."
            )
        self.clips = clips
        self.lengths = list(clips.lengths)
        self.before = {}  # a clip's number to that of the one before it
        if share > 0:
            self._sample(share, random.Random(seed))

    def _sample(self, share, draw):
        """Choose the preceding clips."""
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
        both = {
            **item,
            "id": f"{first['id']}+{item['id']}",
            "wrd": f"{first['wrd']} {item['wrd']}",
            "tokens": tokens,
            "num_groups": len(tokens),
        }
        if self.clips.tokenizer is not None:
            ids = self.clips.tokenizer.encode(both["wrd"])
            both["text_ids"] = LongTensor(ids)
            # The concatenated text may have more ids than both apart.
            positions = self.clips.count_positions(len(ids), len(tokens))
            if positions > self.clips.max_positions:
                return item
        return both

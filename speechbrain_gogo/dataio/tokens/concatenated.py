"""Two clips of a speaker as one training sequence: an option of small models.

At inference Stage I continues a prompt: text and backbone of the prompt come
first, those of the target follow. Single sentences do not show such a
continuation, so pairs of clips of a speaker are concatenated. The tokens of a
group depend on its own audio only, so concatenated tokens are those of the
concatenated audio.
"""

import numpy as np
from torch import LongTensor, cat
from torch.utils.data import Dataset


class ConcatenatedClips(Dataset):
    """A dataset of tokens, some of whose clips are preceded by another one.

    The preceding clip is sampled from those of the same speaker. A clip stays
    single if both would not fit the positions or have the same text, or if its
    speaker is unknown.
    The last group of the preceding clip is dropped: it is padded with silence,
    and a prompt ends within speech.

    Arguments
    ---------
    clips : TokenDataset
        Clips with texts, if it has a tokenizer.
    share : float
        Share of the clips that are preceded by another one, 0 to 1.
    seed : int
        Seed of the sampling.

    Attributes
    ----------
    lengths : numpy.ndarray
        Positions of each item, at most.
    before : numpy.ndarray
        int32, the clip before each clip, -1 for none; empty if the share is 0.

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
        self.lengths = clips.lengths
        self.before = np.zeros(0, np.int32)
        if share > 0:
            self._sample(share, np.random.default_rng(seed))

    def _sample(self, share, draw):
        """Choose the preceding clips."""
        speakers = self.clips.speaker_numbers()
        items = np.arange(len(speakers))
        drawn = _one_of_each_group(speakers, draw)
        joins = (draw.random(len(speakers)) < share) & (speakers != 0)
        joins = np.flatnonzero(joins & (drawn != items))
        first = drawn[joins]
        (text_before, groups_before), (text, groups) = (
            self.clips.sizes(part) for part in (first, joins)
        )
        positions = self.clips.count_positions(
            text_before + text, groups_before - 1 + groups
        )
        fits = positions <= self.clips.max_positions
        self.before = np.full(len(speakers), -1, np.int32)
        self.before[joins[fits]] = first[fits]
        self.lengths = np.array(self.lengths)
        self.lengths[joins[fits]] = positions[fits]

    def __len__(self):
        """As many as there are clips."""
        return len(self.clips)

    def __getitem__(self, index):
        """A clip, as the dataset of clips describes it."""
        item = self.clips[index]
        if not len(self.before) or self.before[index] < 0:
            return item
        first = self.clips[int(self.before[index])]
        if first["wrd"] == item["wrd"]:  # such as a copy of the clip
            return item
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


def _one_of_each_group(keys, draw):
    """For each item one of those with the same key, int64, itself included."""
    order = np.argsort(keys, kind="stable")
    _, starts, sizes = np.unique(
        keys[order], return_index=True, return_counts=True
    )
    size = np.repeat(sizes, sizes)
    chosen = np.repeat(starts, sizes) + (draw.random(len(keys)) * size).astype(
        np.int64
    )
    drawn = np.empty_like(order)
    drawn[order] = order[chosen]
    return drawn

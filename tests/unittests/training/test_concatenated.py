"""Pairs of clips of a speaker as training sequences."""

import numpy as np
import pytest
import torch

from speechbrain_gogo.dataio.tokens.concatenated import ConcatenatedClips


class Clips:
    """Ten clips of three groups, of two speakers and of nobody."""

    max_positions = 100
    tokenizer = None

    def __init__(self, text_length=11):
        self.text_length = text_length
        self.lengths = np.full(10, self.count_positions(text_length, 3))

    @staticmethod
    def count_positions(text_length, groups):
        """As a stage does."""
        return text_length + 3 * groups

    def __len__(self):
        return 10

    def sizes(self, items):
        return np.full((2, len(items)), [[self.text_length], [3]])

    def speaker_numbers(self):
        return np.array([7, -5] * 4 + [0, 0])

    def __getitem__(self, index):
        return {
            "id": str(index),
            "wrd": f"word{index}",
            "tokens": torch.full((3, 10), index),
            "num_groups": 3,
        }


def test_prompt_without_its_last_group_then_the_clip():
    joined = ConcatenatedClips(Clips(), 1.0)
    assert 4 <= (joined.before >= 0).sum() <= 8  # some drew themselves
    for index in range(8):
        item, first = joined[index], joined.before[index]
        if first < 0:
            assert item["wrd"] == f"word{index}"
            assert joined.lengths[index] == 11 + 9
            continue
        assert first % 2 == index % 2 and first != index
        assert item["wrd"] == f"word{first} word{index}"
        assert item["tokens"][:, 0].tolist() == [first] * 2 + [index] * 3
        assert item["num_groups"] == 5
        assert joined.lengths[index] == 22 + 15
    assert (joined.before[8:] < 0).all()  # nobody knows whose they are


def test_a_clip_does_not_follow_its_own_copy():
    class Copies(Clips):
        def __getitem__(self, index):
            return {**super().__getitem__(index), "wrd": "the same"}

    joined = ConcatenatedClips(Copies(), 1.0)
    assert all(joined[index]["num_groups"] == 3 for index in range(10))


def test_concatenation_depends_on_seed_and_positions():
    draws = [ConcatenatedClips(Clips(), 0.5, seed).before for seed in (0, 0, 1)]
    assert (draws[0] == draws[1]).all() and (draws[0] != draws[2]).any()
    assert (ConcatenatedClips(Clips(text_length=50), 1.0).before < 0).all()
    assert not len(ConcatenatedClips(Clips(), 0.0).before)
    with pytest.raises(ValueError, match="concatenated_share=2"):
        ConcatenatedClips(Clips(), 2)


def test_clips_whose_joined_text_is_too_long_stay_single():
    class Letters:
        @staticmethod
        def encode(text):
            return list(range(200 if " " in text else 11))

    clips = Clips()
    clips.tokenizer = Letters()
    joined = ConcatenatedClips(clips, 1.0)
    assert (joined.before >= 0).any()
    for index in range(10):
        assert joined[index]["wrd"] == f"word{index}"

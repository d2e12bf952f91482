"""Clips that follow another one of their speaker."""

import pytest
import torch

from speechbrain_gogo.dataio.tokens.concatenated import ConcatenatedClips


class Clips:
    """Ten clips of three groups, of two speakers and of nobody."""

    max_positions = 100
    tokenizer = None

    def __init__(self, text_length=11):
        self.sizes = [(text_length, 3)] * 10
        self.lengths = [self.count_positions(text_length, 3)] * 10

    @staticmethod
    def count_positions(text_length, groups):
        """As a stage with text_positions=20 does."""
        return max(text_length, 20) + 3 * groups

    def __len__(self):
        return 10

    def speakers(self):
        return ["anna", "bert"] * 4 + ["", ""]

    def __getitem__(self, index):
        return {
            "id": str(index),
            "speaker": self.speakers()[index],
            "wrd": f"word{index}",
            "tokens": torch.full((3, 10), index),
            "num_groups": 3,
        }


def test_prompt_without_its_last_group_then_the_clip():
    joined = ConcatenatedClips(Clips(), 1.0)
    assert 4 <= len(joined.before) <= 8  # all but those who drew themselves
    for index in range(8):
        item, first = joined[index], joined.before.get(index)
        if first is None:
            assert item["wrd"] == f"word{index}"
            assert joined.lengths[index] == 20 + 9
            continue
        assert first % 2 == index % 2 and first != index
        assert item["wrd"] == f"word{first} word{index}"
        assert item["tokens"][:, 0].tolist() == [first] * 2 + [index] * 3
        assert item["num_groups"] == 5
        assert joined.lengths[index] == 22 + 15
    assert not {8, 9} & set(joined.before)  # nobody knows whose they are


def test_draw_hangs_on_the_seed_and_on_room():
    draws = [ConcatenatedClips(Clips(), 0.5, seed).before for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    assert not ConcatenatedClips(Clips(text_length=50), 1.0).before
    assert not ConcatenatedClips(Clips(), 0.0).before
    with pytest.raises(ValueError, match="concatenated_share=2"):
        ConcatenatedClips(Clips(), 2)


def test_a_joined_text_that_takes_more_ids_stays_alone():
    class Letters:
        @staticmethod
        def encode(text):
            return list(range(200 if " " in text else 11))

    clips = Clips()
    clips.tokenizer = Letters()
    joined = ConcatenatedClips(clips, 1.0)
    assert joined.before
    for index in range(10):
        assert joined[index]["wrd"] == f"word{index}"

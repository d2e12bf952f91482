"""Levels with different rates in one token matrix."""

import pytest
import torch

from speechbrain_gogo.lobes.tokens import Levels

COFI = Levels([1, 3, 6], [1, 1, 4], ["120 ms", "40 ms", "20 ms"])


def test_columns_of_a_group_by_hand():
    """Positions of the tokens of group 1, with the paper's three scales."""
    tokens = torch.arange(2 * 28).view(1, 2, 28)
    coarse, middle, fine = COFI.unpack(tokens)
    assert coarse[0, 1].tolist() == [28]
    assert middle[0, 3:, 0].tolist() == [29, 30, 31]
    assert fine[0, 6].tolist() == [32, 33, 34, 35]  # step 0, streams 0..3
    assert fine[0, 11].tolist() == [52, 53, 54, 55]
    assert COFI.codebooks == [0, 1, 1, 1] + [2, 3, 4, 5] * 6


@pytest.mark.parametrize("levels", [COFI, Levels.single_columns(10)])
def test_pack_is_the_inverse(levels):
    tokens = torch.randint(99, (3, 4, levels.num_columns))
    for keep in range(1, len(levels) + 1):
        top = tokens[..., : levels.num_kept(keep)]
        parts = levels.unpack(top)
        assert len(parts) == keep
        assert torch.equal(levels.pack(parts), top)
    assert torch.equal(levels.pack(levels.unpack(tokens[0])), tokens[0])


def test_invalid_levels_are_refused():
    with pytest.raises(ValueError, match="5 columns do not hold whole levels"):
        COFI.unpack(torch.zeros(1, 2, 5))
    with pytest.raises(ValueError, match="Level 40 ms of 2 groups"):
        COFI.pack([torch.zeros(1, 2, 1), torch.zeros(1, 5, 1)])
    with pytest.raises(ValueError, match="must divide"):
        Levels([1, 4, 6], [1, 1, 1])
    with pytest.raises(ValueError, match="a name each"):
        Levels([1, 2], [1])

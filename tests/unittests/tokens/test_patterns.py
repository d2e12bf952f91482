"""Token orders against sequences written by hand."""

import pytest
import torch

from speechbrain_gogo.lobes.tokens.patterns import ORDERS, flatten, unflatten

# Two utterances, three groups, two levels: group g, level k is 10 g + k.
TOKENS = torch.tensor([[[11, 12], [21, 22], [31, 32]]] * 2)
TOKENS[1] += 100
EXPECTED = {
    "group_major": [11, 12, 21, 22, 31, 32],
    "level_major": [11, 21, 31, 12, 22, 32],
    "delay": [[11, -1], [21, 12], [31, 22], [-1, 32]],
}


@pytest.mark.parametrize("order", ORDERS)
def test_order_and_its_inverse(order):
    sequence = flatten(TOKENS, order, pad=-1)
    assert sequence[0].tolist() == EXPECTED[order]
    assert torch.equal(unflatten(sequence, order, num_levels=2), TOKENS)
    ten = torch.arange(2 * 7 * 10).view(2, 7, 10)
    assert torch.equal(unflatten(flatten(ten, order), order, 10), ten)


def test_errors_say_what_was_wrong():
    with pytest.raises(ValueError, match="Unknown token order 'random'"):
        flatten(TOKENS, "random")
    with pytest.raises(ValueError, match=r"matrix \[B, N, K\]; .* \(3, 2\)"):
        flatten(TOKENS[0], "group_major")
    with pytest.raises(ValueError, match=r"\[B, steps, K\]; got .* \(2, 6\)"):
        unflatten(torch.zeros(2, 6), "delay", 2)
    with pytest.raises(ValueError, match="7 tokens .* groups of 2"):
        unflatten(torch.zeros(1, 7), "group_major", 2)
    with pytest.raises(ValueError, match="groups of 3"):
        unflatten(torch.zeros(1, 2, 3), "delay", 3)

"""The warm-up by regression is the start of the flow, and ends."""

import torch

from speechbrain_gogo.lobes.gogo.dit import DiT
from speechbrain_gogo.lobes.gogo.flow.matching import ConditionalFlowMatching
from speechbrain_gogo.lobes.gogo.training.warmup import RegressionWarmup


class Codec(torch.nn.Module):
    """As much of a codec as the two losses use."""

    num_codebooks = 4

    def __init__(self):
        super().__init__()
        self.mask = torch.nn.Parameter(torch.zeros(16))
        self.flow = ConditionalFlowMatching(DiT(10, 16, 32, 2, 2))


@torch.no_grad()
def test_regression_is_the_start_of_the_flow():
    torch.manual_seed(0)
    objective = RegressionWarmup(Codec(), None, None, share=0.5).eval()
    mel, cond = torch.randn(2, 8, 10), torch.randn(2, 8, 16)
    lens = torch.tensor([1.0, 0.5])
    flow = objective.codec.flow
    out = flow.backbone(torch.zeros_like(mel), cond, torch.zeros(2), lens)
    error = (out - mel) ** 2

    objective.warming_up = True
    found = objective.decoder_loss(mel, cond, lens, None)
    wanted = torch.stack([error[0].mean(), error[1, :4].mean()])
    torch.testing.assert_close(found, wanted)

    objective.warming_up = False
    draws = torch.Generator().manual_seed(1)
    found = objective.decoder_loss(mel, cond, lens, draws)
    draws.manual_seed(1)
    wanted = flow(mel, cond, lens, "batch", generator=draws)
    torch.testing.assert_close(found, wanted)


def test_prior_has_no_gradient_in_the_warmup():
    objective = RegressionWarmup(Codec(), None, None)
    found = torch.randn(2, 4, 16, requires_grad=True)
    objective.warming_up = True
    assert not objective.prior_input(found).requires_grad
    objective.warming_up = False
    assert objective.prior_input(found) is found

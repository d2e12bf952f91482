"""The flow that starts at a regression: loss, sampling, files, student."""

import pytest
import torch
from tiny_gogo import REPOSITORY, build_tiny

from speechbrain_gogo.inference import GogoCodec
from speechbrain_gogo.inference.loading.export import export_codec
from speechbrain_gogo.inference.loading.few_steps import make_student
from speechbrain_gogo.lobes.gogo.convolutional_decoder import (
    ConvolutionalDecoder,
)
from speechbrain_gogo.lobes.gogo.dit import DiT
from speechbrain_gogo.lobes.gogo.flow.distillation import Distillation
from speechbrain_gogo.lobes.gogo.flow.matching import ConditionalFlowMatching
from speechbrain_gogo.lobes.gogo.flow.residual_flow import (
    FewStepResidualFlow,
    ResidualFlow,
)

MODEL = f"""
model: !include:{REPOSITORY}/hparams/mini/gogo_flow.yaml
    backbone:
        dim: 32
        num_layers: 1
        num_heads: 2
    flow:
        num_steps: 3
vocoder: !new:speechbrain_gogo.lobes.vocoder.vocoders.GriffinLimVocoder
    num_iterations: 1
"""


@pytest.fixture
def flow():
    """With weights that all matter."""
    torch.manual_seed(0)
    dit = DiT(10, 10, dim=32, num_layers=2, num_heads=2)
    estimator = ConvolutionalDecoder(
        *(10, 4, 3, 5, 8, 16, 32, 1), 2, 8, 16, [1, 2]
    )
    for weight in [*dit.parameters(), *estimator.parameters()]:
        if not weight.any():
            torch.nn.init.normal_(weight, std=0.2)
    return ResidualFlow(dit, estimator, scale=0.4, num_steps=3).eval()


def test_difference_is_the_data_of_a_flow(flow):
    mel, cond, noise = torch.randn(3, 2, 28, 10).unbind()
    cond = cond[..., :5]
    lens = torch.tensor([1.0, 4 / 7])
    inner = ConditionalFlowMatching(flow.backbone, num_steps=3).eval()
    mean = flow.estimator(cond, lens).detach()
    seeds = [torch.Generator().manual_seed(4) for _ in range(2)]
    expected = inner((mel - mean) / 0.4, mean, lens, "batch", seeds[0])
    found = flow(mel, cond, lens, "batch", seeds[1])
    torch.testing.assert_close(found, expected)
    expected = mean + 0.4 * inner.sample(mean, lens, noise)
    torch.testing.assert_close(flow.sample(cond, lens, noise), expected)
    found.sum().backward()
    assert all(weight.grad is None for weight in flow.estimator.parameters())
    assert flow.backbone.project_x.weight.grad.any()
    assert flow.sampler_signature() != inner.sampler_signature()


def test_batch_equals_single(flow):
    cond, noise = torch.randn(2, 28, 5), torch.randn(2, 28, 10)
    together = flow.sample(cond, torch.tensor([1.0, 4 / 7]), noise)
    alone = flow.sample(cond[1:, :16], None, noise[1:, :16])
    torch.testing.assert_close(together[1:, :16], alone, rtol=0, atol=1e-5)


def test_student_of_a_residual_flow(tmp_path):
    """Before training it samples as the teacher, whose loss it learns from."""
    path = tmp_path / "model.yaml"
    path.write_text(MODEL)
    made = build_tiny(path)
    folder = export_codec(
        tmp_path / "teacher",
        path,
        made["model"]["codec"],
        made["vocoder"],
        window_groups=48,
        overlap_groups=5,
    )
    student = GogoCodec.from_hparams(
        make_student(tmp_path / "student", folder, 2)
    )
    teacher = GogoCodec.from_hparams(folder)
    assert type(student.codec.flow) is FewStepResidualFlow
    tokens = torch.randint(12800, (1, 3, 10))
    torch.testing.assert_close(
        student.decode_batch(tokens)[0],
        teacher.decode_batch(tokens, num_steps=2)[0],
    )
    objective = Distillation(student.codec, teacher.codec.flow, levels=2)
    mel, cond = torch.randn(2, 40, 100), torch.randn(2, 40, 6)
    seeds = [torch.Generator().manual_seed(4) for _ in range(2)]
    found, _ = objective.flow_loss(mel, cond, torch.ones(2), seeds[0])
    mean = student.codec.flow.estimate(cond)
    inner = student.codec.flow
    inner.inputs = lambda mel, cond, lens: (mel, cond)
    residual = (mel - mean) / inner.scale
    expected, _ = objective.flow_loss(residual, mean, torch.ones(2), seeds[1])
    torch.testing.assert_close(found, expected)

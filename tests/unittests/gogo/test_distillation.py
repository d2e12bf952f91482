"""Distillation of the flow: the student's files, loss and training."""

from types import SimpleNamespace

import pytest
import torch

from speechbrain_gogo.inference import GogoCodec
from speechbrain_gogo.inference.loading.few_steps import make_student
from speechbrain_gogo.lobes.gogo.dit import DiT
from speechbrain_gogo.lobes.gogo.flow.distillation import Distillation
from speechbrain_gogo.lobes.gogo.flow.few_step_flow import FewStepFlow, StepDiT
from speechbrain_gogo.lobes.gogo.flow.matching import (
    ConditionalFlowMatching,
    sway,
)

SIZE = {"n_mels": 6, "cond_dim": 8, "dim": 16, "num_layers": 1, "num_heads": 2}


@pytest.fixture
def student_folder(tiny_codec_folder, tmp_path):
    return make_student(tmp_path / "student", tiny_codec_folder, 2)


def test_untrained_student_equals_the_teacher_without_guidance(
    tiny_codec_folder, student_folder
):
    teacher = GogoCodec.from_hparams(tiny_codec_folder)
    student = GogoCodec.from_hparams(student_folder)
    audio = 0.1 * torch.randn(1, 9000)
    tokens, lens = student.encode_batch(audio)
    assert torch.equal(tokens, teacher.encode_batch(audio)[0])
    for steps in (None, 3):
        made = student.decode_batch(tokens, lens, num_steps=steps)[0]
        wanted = teacher.decode_batch(
            tokens, lens, num_steps=steps or 2, guidance_scale=0.0
        )[0]
        torch.testing.assert_close(made, wanted)
    with pytest.raises(ValueError, match="leave guidance_scale out"):
        student.decode_batch(tokens, lens, guidance_scale=2.0)
    one = GogoCodec.from_hparams(student_folder, steps=1)
    assert one.codec.flow.num_steps == 1


def test_only_flows_can_be_distilled(student_folder, tmp_path):
    with pytest.raises(ValueError, match="FewStepFlow"):
        make_student(tmp_path / "again", student_folder, 2)
    with pytest.raises(ValueError, match="another folder"):
        make_student(student_folder, student_folder, 2)


def pair(predict, **settings):
    """A teacher, and a student with weights of its own."""
    torch.manual_seed(0)
    teacher = ConditionalFlowMatching(DiT(**SIZE), predict=predict, **settings)
    flow = FewStepFlow(StepDiT(**SIZE), predict=predict)
    for net in (teacher.backbone, flow.backbone):
        for name, weight in net.named_parameters():
            if "modulations" in name or "step.mlp.2" in name:
                torch.nn.init.normal_(weight, std=0.2)
    codec = torch.nn.Module()
    codec.flow, codec.num_codebooks = flow, 3
    objective = Distillation(codec, teacher, levels=2, teacher_share=0.5)
    return objective, teacher, flow


@pytest.mark.parametrize("predict", ["velocity", "data"])
@torch.no_grad()
def test_distillation_loss_by_hand(predict):
    """By unpadded forward passes of each utterance."""
    objective, teacher, flow = pair(predict, guidance_scale=1.5)
    mel, cond = torch.randn(12, 8, 6), torch.randn(12, 8, 8)
    frames = [8, 5, 3] * 4
    found, shortest = objective.flow_loss(
        mel, cond, torch.tensor(frames) / 8, torch.Generator().manual_seed(1)
    )
    generator = torch.Generator().manual_seed(1)
    taught = torch.rand(12, generator=generator) < 0.5
    level = torch.randint(2, (12,), generator=generator).masked_fill(taught, 2)
    place = torch.rand(12, generator=generator)
    noise = torch.randn(mel.shape, generator=generator)
    assert {0, 1, 2} == set(level.tolist())
    assert torch.equal(shortest, level == 2)

    def predicted(b, x, t, step):
        net, given = flow.backbone, cond[b : b + 1, : frames[b]]
        times = net.modulation(t[None], torch.as_tensor(step)[None])
        return net.velocity(x, net.condition(given), times)

    def velocity(output, x, t):
        return output if predict == "velocity" else (output - x) / (1 - t)

    for b, n in enumerate(frames):
        steps = 2 ** int(level[b])
        first = int(place[b] * steps) / steps
        t, half, end = sway(
            torch.tensor([first, first + 0.5 / steps, first + 1 / steps])
        )
        x = (1 - t) * noise[b : b + 1, :n] + t * mel[b : b + 1, :n]
        if level[b] == 2:
            given = cond[b : b + 1, :n]
            out = teacher.backbone(x, given, t[None])
            null = teacher.backbone(x, 0 * given, t[None])
            mean = velocity(out + 1.5 * (out - null), x, t)
        else:
            one = velocity(predicted(b, x, t, half - t), x, t)
            middle = x + (half - t) * one
            two = velocity(predicted(b, middle, half, end - half), middle, half)
            mean = (middle + (end - half) * two - x) / (end - t)
        target = mean if predict == "velocity" else x + (1 - t) * mean
        error = (predicted(b, x, t, end - t) - target).square().mean()
        torch.testing.assert_close(found[b], error, rtol=1e-4, atol=1e-5)


def test_teacher_is_guided_within_an_interval():
    objective, teacher, _ = pair("velocity", guidance_interval=(0.0, 0.4))
    x, cond = torch.randn(2, 4, 6), torch.randn(2, 4, 8)
    times = torch.tensor([[0.3, 0.5]])
    found = objective.ask(x, cond, times, None)
    out = teacher.backbone(x, cond, times[0])
    torch.testing.assert_close(found[1], out[1])
    assert not torch.allclose(found[0], out[0])


def test_one_step_student_learns_the_teachers_output():
    objective, teacher, flow = pair("velocity", guidance_scale=1.0)
    weights = teacher.backbone.state_dict()
    flow.backbone.load_state_dict(weights, strict=False)
    torch.nn.init.zeros_(flow.backbone.step.mlp[-1].weight)
    torch.nn.init.zeros_(flow.backbone.step.mlp[-1].bias)
    cond, noise = torch.randn(16, 4, 8), torch.randn(16, 4, 6)
    mel = teacher.sample(cond, noise=torch.randn(16, 4, 6), num_steps=4)
    wanted = teacher.sample(cond, noise=noise, num_steps=4)

    def distance():
        made = flow.sample(cond, noise=noise, num_steps=1)
        return float((made - wanted).square().mean())

    before = distance()
    generator = torch.Generator().manual_seed(2)
    optimizer = torch.optim.Adam(flow.parameters(), 0.01)
    lens = torch.ones(16)
    for _ in range(60):
        optimizer.zero_grad()
        objective.flow_loss(mel, cond, lens, generator)[0].mean().backward()
        optimizer.step()
    assert distance() < 0.5 * before
    assert all(weight.grad is None for weight in teacher.parameters())


def test_distillation_in_bfloat16():
    objective, _, _ = pair("data", guidance_scale=1.5)
    mel, cond = torch.randn(12, 8, 6), torch.randn(12, 8, 8)
    given = mel, cond, torch.ones(12)
    full, _ = objective.flow_loss(*given, torch.Generator().manual_seed(1))
    with torch.autocast("cpu", torch.bfloat16):
        half, _ = objective.flow_loss(*given, torch.Generator().manual_seed(1))
    torch.testing.assert_close(half, full, rtol=0.1, atol=0.1)


def test_students_only_take_steps_that_they_have_learned():
    for other in {"solver": "midpoint"}, {"grid": "epss", "num_steps": 5}:
        with pytest.raises(ValueError, match="Euler steps of the uniform grid"):
            FewStepFlow(StepDiT(**SIZE), **other)


def test_student_and_teacher_predict_the_same():
    codec = SimpleNamespace(flow=FewStepFlow(StepDiT(**SIZE), predict="data"))
    with pytest.raises(ValueError, match="make the student from this teacher"):
        Distillation(codec, ConditionalFlowMatching(DiT(**SIZE)))

"""ONNX files give what torch gives, at other sizes than those of the trace."""

import json
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch
from code_blocks import REPOSITORY, read_blocks
from onnx_networks import (
    aligned,
    codec_files,
    cofi,
    few_step_codec,
    flow_codec,
    group_stage_files,
    group_stages,
    random_weights,
    residual_codec,
    sibling_files,
    small_codec,
    socodec,
    stage1,
    vocoder_files,
)
from typer.testing import CliRunner

from speechbrain_gogo.cli import app
from speechbrain_gogo.inference.exporting.codec import (
    codec_networks,
    describe_codec,
)
from speechbrain_gogo.inference.exporting.onnx_files import (
    check_onnx,
    write_onnx,
)
from speechbrain_gogo.inference.exporting.stages import (
    describe_stage,
    stage_networks,
)
from speechbrain_gogo.lobes.adversarial_codec.ordered_quantizer import (
    ResidualStreamQuantizer,
)

pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")

QUICK = {
    "encoder": (lambda: codec_files(flow_codec), "encoder"),
}
SLOW = {
    "decoder": (lambda: codec_files(small_codec), "decoder"),
    "flow": (lambda: codec_files(flow_codec), "decoder"),
    "mel": (lambda: codec_files(small_codec), "mel"),
    "small encoder": (lambda: codec_files(small_codec), "encoder"),
    "condition": (lambda: codec_files(flow_codec), "condition"),
    "vocoder": (vocoder_files, "vocoder"),
    **{
        name: (lambda: stage_networks("lm", random_weights(aligned())), name)
        for name in ("lm_text", "lm_aligner", "lm_step", "lm_depth")
    },
    **{
        name: (group_stage_files, name)
        for name in ("one_text", "one_step", "one_depth")
    },
    **{name: (group_stage_files, name) for name in ("two_step", "two_depth")},
    **{
        f"{make.__name__} {name}": (lambda make=make: sibling_files(make), name)
        for make in (cofi, socodec)
        for name in ("voice", "encoder", "decoder")
    },
    "magnitude mel": (lambda: sibling_files(cofi), "mel"),
}
CASES = [pytest.param(*case, id=name) for name, case in QUICK.items()]
CASES += [
    pytest.param(*case, id=name, marks=pytest.mark.long)
    for name, case in SLOW.items()
]


@pytest.mark.parametrize("make, name", CASES)
def test_a_file_gives_what_torch_gives(make, name, tmp_path):
    """The check fails in its turn, if torch gives something else."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        networks = {network.name: network for network in make()}
    network = networks[name]
    path = write_onnx(network, tmp_path)
    worst = check_onnx(network, path)
    ids = [tensor.dtype == "int64" for tensor in network.outputs.values()]
    assert worst <= (0 if all(ids) else 1e-4)

    def other(*inputs):
        found = (network.reference or network.module)(*inputs)
        found = (found,) if torch.is_tensor(found) else found
        return (found[0] + 1, *found[1:])

    with pytest.raises(ValueError, match=f"{name}.onnx is wrong.*differs"):
        check_onnx(network._replace(reference=other), path)


def test_a_student_decodes_in_few_steps(tmp_path):
    """As the description says: without guidance, and with the steps' lengths."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        codec = random_weights(few_step_codec())
        noise, condition = torch.randn(2, 9, 100), torch.randn(2, 9, 16)
    flow = json.loads(json.dumps(describe_codec(codec)))["flow"]
    assert len(flow["times"]) == 5 and flow["solver"] == "euler"
    assert not flow["guidance_scale"] and flow["predicts"] == "velocity"
    networks = {n.name: n for n in codec_networks(codec, None)}
    path = write_onnx(networks["decoder"], tmp_path)
    session = onnxruntime.InferenceSession(path)
    x, ones = noise.numpy(), np.ones(2, np.float32)
    for time, end in pairwise(flow["times"]):
        step = end - time
        passed = {"x": x, "time": time * ones, "step": step * ones}
        passed["condition"] = condition.numpy()
        x = x + session.run(None, passed)[0] * step
    expected = codec.flow.sample(condition, noise=noise)
    assert np.abs(x - expected.numpy()).max() < 1e-4
    coarse = codec.flow.sample(condition, noise=noise, num_steps=1)
    assert (coarse - expected).abs().max() > 1e-2  # the steps matter


@pytest.mark.long
def test_a_flow_that_starts_at_a_regression(tmp_path):
    """As the description says: the condition is the regression's mel."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        codec = random_weights(residual_codec())
        noise = torch.randn(1, 40, 100)
        tokens = torch.randint(codec.vocab_size, (1, 2, 10))
    flow = json.loads(json.dumps(describe_codec(codec)))["flow"]
    networks = {n.name: n for n in codec_networks(codec, None)}
    passes = {
        name: onnxruntime.InferenceSession(write_onnx(networks[name], tmp_path))
        for name in ("condition", "decoder")
    }
    given = passes["condition"].run(None, {"tokens": tokens.numpy()})[0]
    x, w = noise.numpy(), flow["guidance_scale"]
    for time, end in pairwise(flow["times"]):
        at = np.array([time], np.float32)
        velocity, null = (
            passes["decoder"].run(None, {"x": x, "condition": c, "time": at})[0]
            for c in (given, 0 * given)
        )
        x = x + (end - time) * (velocity + w * (velocity - null))
    found = codec.log_mel(torch.tensor(given + flow["residual_scale"] * x))
    expected = codec.decode_mel(tokens, noise=noise)
    assert (found - expected).abs().max() < 1e-3


def test_a_stage_generates_with_its_cache(tmp_path):
    """Token by token, in a padded batch; as the decoder of generation."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        lm = stage1().eval()
        ids, padding = torch.randint(24, (2, 7)), torch.tensor([0, 2])
    (network,) = stage_networks("stage1", lm)
    session = onnxruntime.InferenceSession(write_onnx(network, tmp_path))
    decoder = lm.decoder(2, 7)
    layers, _, heads, _, width = network.inputs["keys"].shape
    cache = 2 * [np.zeros((layers, 2, heads, 0, width), np.float32)]
    for first, end in ((0, 4), (4, 5), (5, 7)):
        given = ids[:, first:end]
        expected = decoder.step(given, padding if first == 0 else None)
        found, *cache = session.run(
            None,
            dict(zip(network.inputs, (given.numpy(), padding.numpy(), *cache))),
        )
        assert np.abs(found - expected.numpy()).max() < 1e-5


def test_every_stage_has_a_description_in_json():
    for stage in (stage1(), aligned(), *group_stages()):
        found = json.loads(json.dumps(describe_stage(stage)))
        assert found["kind"] == type(stage).__name__ and found["about"]


def test_what_cannot_be_exported_is_said():
    with pytest.raises(ValueError, match="residual quantizer cannot"):
        sibling_files(lambda: socodec(ResidualStreamQuantizer))
    with pytest.raises(ValueError, match="one is a Linear, of which there is"):
        stage_networks("one", torch.nn.Linear(2, 2))


def test_a_missing_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    done = CliRunner().invoke(app, ["export", "gogo-mini", str(tmp_path)])
    assert done.exit_code == 1
    assert "onnxscript: pip install 'speechbrain-gogo[onnx]'" in done.output


@pytest.mark.long
def test_gogo_mini_without_torch(tmp_path, monkeypatch):
    """The command's files, and the example of docs/serving.md."""
    folder = tmp_path / "exported"
    done = CliRunner().invoke(app, ["export", "gogo-mini", str(folder)])
    assert done.exit_code == 0, done.output
    page = json.loads((folder / "model.json").read_text())
    assert {path.name for path in folder.iterdir()} == {
        *page["files"],
        "model.json",
    }
    assert len(page["files"]) == 8 and "ids are equal" in done.output

    import soundfile

    from speechbrain_gogo.inference import GogoCodec
    from speechbrain_gogo.inference.loading.pretrained import PRETRAINED

    monkeypatch.chdir(tmp_path)
    wavs, rate = soundfile.read(PRETRAINED / "gogo-mini" / "example.flac")
    soundfile.write("in.wav", wavs, rate, subtype="FLOAT")
    blocks = read_blocks(REPOSITORY / "docs" / "serving.md")
    (block,) = [
        block
        for block in blocks
        if "onnxruntime" in block.text and block.language == "python"
    ]
    known = {}
    exec(block.text, known)
    codec = GogoCodec.from_hparams("gogo-mini")
    wavs = torch.tensor(wavs).float()[None]
    tokens, _ = codec.encode_batch(wavs)
    same = (tokens[0].numpy() == known["tokens"]).mean()
    assert same > 0.99  # the mel is rounded in another order
    decoded, _ = codec.decode_batch(torch.from_numpy(known["kept"]))
    assert np.abs(known["wavs"] - decoded.numpy()).max() < 1e-3

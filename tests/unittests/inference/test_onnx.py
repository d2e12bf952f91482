"""ONNX files give what torch gives, at other sizes than those of the trace."""

import json
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch
from code_blocks import REPOSITORY, read_blocks
from typer.testing import CliRunner

from speechbrain_gogo.cli import app
from speechbrain_gogo.inference.exporting.codec import (
    codec_networks,
    describe_codec,
    vocoder_network,
)
from speechbrain_gogo.inference.exporting.onnx_files import (
    check_onnx,
    write_onnx,
)
from speechbrain_gogo.inference.exporting.siblings import sibling_networks
from speechbrain_gogo.inference.exporting.stages import (
    describe_stage,
    stage_networks,
)
from speechbrain_gogo.lobes.adversarial_codec.causal import (
    CausalDecoder,
    CausalEncoder,
)
from speechbrain_gogo.lobes.adversarial_codec.global_encoder import (
    GlobalEncoder,
)
from speechbrain_gogo.lobes.adversarial_codec.ordered_quantizer import (
    OrderedProductQuantizer,
    ResidualStreamQuantizer,
)
from speechbrain_gogo.lobes.cofi.blocks import ScaleDecoder, ScaleEncoder
from speechbrain_gogo.lobes.cofi.codec import CoFiCodecNetwork
from speechbrain_gogo.lobes.cofi.quantizers import ScaleQuantizers
from speechbrain_gogo.lobes.gogo.codec import Gogo
from speechbrain_gogo.lobes.gogo.convolutional_decoder import (
    ConvolutionalDecoder,
)
from speechbrain_gogo.lobes.gogo.dit import DiT
from speechbrain_gogo.lobes.gogo.encoder import GroupEncoder, GroupMLPEncoder
from speechbrain_gogo.lobes.gogo.flow import (
    ConditionalFlowMatching,
    MelRegression,
)
from speechbrain_gogo.lobes.gogo.flow.few_step_flow import FewStepFlow, StepDiT
from speechbrain_gogo.lobes.gogo.mel import VocosMel
from speechbrain_gogo.lobes.gogo.quantizer import FSQ
from speechbrain_gogo.lobes.nn.log_mel import MagnitudeMel
from speechbrain_gogo.lobes.socodec.codec import SoCodecNetwork
from speechbrain_gogo.lobes.speech.aligned.stage1 import AlignedBackboneLM
from speechbrain_gogo.lobes.speech.group_stage1 import GroupBackboneLM
from speechbrain_gogo.lobes.speech.group_stage2 import GroupDetailLM
from speechbrain_gogo.lobes.speech.llama import speech_llama
from speechbrain_gogo.lobes.speech.stage1 import BackboneLM
from speechbrain_gogo.lobes.vocoder.vocoders import VocosVocoder

pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")
LEVELS = [4, 3]


def random_weights(module):
    """All weights matter: none is zero at the start."""
    for weight in module.parameters():
        if not weight.any():
            torch.nn.init.normal_(weight, std=0.2)
    return module.eval()


def flow_codec():
    """The paper's path: groups and queries, FSQ, a flow over a DiT."""
    encoder = GroupEncoder(100, 20, 10, 16, 1, 2, 32, stem_layers=1)
    dit = DiT(100, 16, dim=32, num_layers=1, num_heads=2)
    flow = ConditionalFlowMatching(dit)
    return Gogo(VocosMel(), encoder, FSQ(LEVELS, 16), flow)


def few_step_codec():
    """A student of codec_distill: the pass also reads the step's length."""
    encoder = GroupEncoder(100, 20, 10, 16, 1, 2, 32, stem_layers=1)
    sizes = {"n_mels": 100, "cond_dim": 16, "dim": 32, "num_heads": 2}
    flow = FewStepFlow(StepDiT(num_layers=1, **sizes), num_steps=4)
    return Gogo(VocosMel(), encoder, FSQ(LEVELS, 16), flow)


def small_codec():
    """The classes of gogo-mini."""
    encoder = GroupMLPEncoder(100, 20, 10, 6, 8, 16, 32, 1)
    decoder = ConvolutionalDecoder(
        *(100, 20, 10, 6, 8, 16, 32, 1), 4, 8, 16, [1]
    )
    flow, mel = MelRegression(decoder), VocosMel()
    return Gogo(mel, encoder, FSQ(LEVELS, 6), flow, mel_power=0.15)


def stage1():
    """Token by token; heads share keys."""
    llama = speech_llama(10 + 12 + 2, 16, 1, 4, 32, num_key_value_heads=2)
    return BackboneLM(llama, 10, 12, max_positions=64)


def aligned():
    """Group by group, aligned with the text."""
    sizes = {"dim": 16, "num_layers": 1, "num_heads": 2, "ffn_dim": 32}
    sizes |= {"depth_layers": 1, "depth_ffn_dim": 32, "backbone_size": 10}
    return AlignedBackboneLM(
        9, LEVELS, text_layers=1, aligner_dim=8, aligner_layers=1, **sizes
    )


def group_stages():
    """Stage I and II with one position per group."""
    sizes = {"dim": 16, "num_layers": 1, "num_heads": 2, "ffn_dim": 32}
    sizes |= {"depth_layers": 1, "depth_ffn_dim": 32}
    return GroupBackboneLM(9, LEVELS, **sizes), GroupDetailLM(LEVELS, **sizes)


def group_stage_files():
    return [
        network
        for name, stage in zip(("one", "two"), group_stages())
        for network in stage_networks(name, random_weights(stage))
    ]


def cofi():
    blocks = {"strides": [2, 2, 3], "num_units": [2, 1, 1]}
    codec = CoFiCodecNetwork(
        MagnitudeMel(),
        ScaleEncoder(80, 16, **blocks),
        ScaleQuantizers(16, [1, 1, 4], [1, 1, 2], 64, stream_dim=16),
        GlobalEncoder(dim=16, channels=16),
        ScaleDecoder(80, 16, **blocks),
    )
    for quantizer in codec.quantizers:
        quantizer.codebooks.embed.normal_()
    return codec


def socodec(quantizer=OrderedProductQuantizer):
    codec = SoCodecNetwork(
        torch.nn.Identity(),
        MagnitudeMel(),
        CausalEncoder(12, 16, 16, [2, 3], groups=4),
        quantizer(16, 4, codebook_size=8),
        GlobalEncoder(dim=16, channels=16),
        CausalDecoder(16, 16, 12, [3, 2], groups=4),
        CausalDecoder(16, 16, 80, [2], groups=4),
        group_samples=1920,
    )
    if not codec.quantizer.residual:
        codec.quantizer.codebooks.embed.normal_()
    return codec


def sibling_files(make):
    return sibling_networks(random_weights(make()))


def codec_files(make):
    return codec_networks(random_weights(make()), None)


def vocoder_files():
    sizes = {"dim": 16, "intermediate_dim": 32, "num_layers": 1}
    return [vocoder_network(random_weights(VocosVocoder(**sizes)))]


# By test: what makes the networks, and which of them is written. An export takes
# seconds, of the smallest network too.
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
def test_a_stage_generates_with_its_cache(tmp_path):
    """Token by token, in a padded batch; as the decoder of generation."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        lm = stage1().eval()
        ids, padding = torch.randint(24, (2, 7)), torch.tensor([0, 2])
    (network,) = stage_networks("stage1", lm)
    session = onnxruntime.InferenceSession(write_onnx(network, tmp_path))
    decoder = lm.decoder(2, 7)
    cache = 2 * [np.zeros(network.module.blocks.cache_shape(2, 0), np.float32)]
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

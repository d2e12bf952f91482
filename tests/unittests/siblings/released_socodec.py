"""The released SoCodec, computed from its state dict.

It reads the released names directly and uses torch.nn.functional alone.
"""

import torch
from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN
from torch.nn import functional as F

CODEC = "socodec_16384x4_120ms_16khz_chinese.safetensors"
VOCODER = "mel_vocoder_80dim_10ms_16khz.safetensors"


def codec_shapes():
    """Section by section, the names and shapes of the released codec."""
    shapes = {}

    def layer(name, *shape, bias):
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = shape, (bias,)

    def units(name, places):
        for place in places:
            for conv in (0, 3):
                path = f"{name}.layers.{place}.layers.{conv}"
                layer(path, 1024, 32, 3, bias=1024)

    for part in ("encoder", "decoder_1"):
        for place in (0, 8):
            layer(f"{part}.layers.{place}", 1024, 1024, 3, bias=1024)
    for place, kernel in ((2, 4), (5, 6)):
        units(f"encoder.layers.{place}", (0, 3))
        path = f"encoder.layers.{place}.layers.6"
        layer(path, 1024, 1024, kernel, bias=1024)
    for place, kernel in ((2, 6), (5, 4)):
        path = f"decoder_1.layers.{place}.layers.0"
        layer(path, 1024, 1024, kernel, bias=1024)
        units(f"decoder_1.layers.{place}", (3, 6))
    layer("decoder_2.layers.0", 1024, 1024, 3, bias=1024)
    layer("decoder_2.layers.2.layers.0", 1024, 1024, 4, bias=1024)
    units("decoder_2.layers.2", (3, 6))
    layer("decoder_2.layers.5", 80, 1024, 3, bias=80)
    for part in ("project_in", "project_out"):
        layer(f"quantizer.quantizers.0.{part}", 1024, 1024, bias=1024)
    for book in range(8):
        path = f"quantizer.quantizers.0._codebook.codebooks.{book}"
        for kind, shape in (
            ("embed", (128, 128)),
            ("embed_avg", (128, 128)),
            ("cluster_size", (128,)),
            ("inited", (1,)),
        ):
            shapes[f"{path}.{kind}"] = shape
    for name, value in ecapa().state_dict().items():
        shapes[f"speaker_encoder.{name}"] = tuple(value.shape)
    return shapes


def ecapa():
    network = ECAPA_TDNN(
        80,
        lin_neurons=1024,
        channels=[256, 256, 256, 256, 768],
        kernel_sizes=[5, 3, 3, 3, 1],
        dilations=[1, 2, 3, 4, 1],
        attention_channels=64,
        res2net_scale=2,
        se_channels=64,
        global_context=True,
    )
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if type(child).__name__ == "BatchNorm1d":
                setattr(module, name, torch.nn.Identity())
    return network.eval()


def vocoder_shapes():
    shapes = {}

    def layer(name, size, *shape, bias):
        shapes[f"{name}.weight_g"] = (size, 1, 1)
        shapes[f"{name}.weight_v"], shapes[f"{name}.bias"] = shape, (bias,)

    def activation(name, channels):
        shapes[f"{name}.act.alpha"] = shapes[f"{name}.act.beta"] = (channels,)
        shapes[f"{name}.upsample.filter"] = (1, 1, 12)
        shapes[f"{name}.downsample.lowpass.filter"] = (1, 1, 12)

    layer("conv_pre", 512, 512, 80, 7, bias=512)
    for stage, kernel in enumerate((11, 8, 4, 4, 4)):
        size = 256 // 2**stage
        path = f"ups.{stage}.0"
        layer(path, 2 * size, 2 * size, size, kernel, bias=size)
        for kind, width in enumerate((3, 7, 11)):
            block = f"resblocks.{3 * stage + kind}"
            for place in range(2):
                path = f"{block}.convs.{place}"
                layer(path, size, size, size, width, bias=size)
                activation(f"{block}.activations.{place}", size)
    activation("activation_post", 16)
    layer("conv_post", 1, 1, 16, 7, bias=1)
    return shapes


def draw(shapes, seed):
    """Random weights that keep signals at about their size."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes.items():
        value = torch.randn(shape, generator=generator)
        inputs = max(1, value[0].numel())
        if name.endswith((".weight", ".weight_v")):
            value = value * (2 / inputs) ** 0.5
            if name.startswith("decoder_2.layers.5"):
                value = 0.2 * value  # a mel of the usual size
        elif name.endswith(".weight_g"):
            value = 1 + 0.1 * value
        elif name.endswith(".filter"):
            value = value.softmax(-1)
        elif "codebooks" not in name:
            value = 0.1 * value
        state[name] = value
    return state


class Reference:
    """The released network, from its state dict."""

    def __init__(self, state):
        self.state = state

    def conv(self, x, name, stride=1, groups=1):
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        x = torch.cat([x.new_zeros(*x.shape[:2], weight.shape[2] - 1), x], 2)
        return F.conv1d(x, weight, bias, stride, groups=groups)

    def up(self, x, name, stride):
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        size = x.shape[2] * stride
        return F.conv_transpose1d(x, weight, bias, stride)[..., :size]

    def unit(self, x, name):
        first = self.conv(x, f"{name}.layers.0", groups=32)
        return x + self.conv(F.silu(first), f"{name}.layers.3", groups=32)

    def encode(self, ssl):
        x = self.conv(ssl.transpose(1, 2), "encoder.layers.0")
        for place, stride in ((2, 2), (5, 3)):
            block = f"encoder.layers.{place}"
            x = self.unit(F.silu(x), f"{block}.layers.0")
            x = self.unit(F.silu(x), f"{block}.layers.3")
            x = self.conv(F.silu(x), f"{block}.layers.6", stride)
        x = self.conv(F.silu(x), "encoder.layers.8").transpose(1, 2)
        quantizer = "quantizer.quantizers.0"
        x = F.linear(
            x,
            self.state[f"{quantizer}.project_in.weight"],
            self.state[f"{quantizer}.project_in.bias"],
        )
        digits = []
        for book, part in enumerate(x.split(128, dim=-1)):
            codes = self.codes(book)
            far = part.pow(2).sum(-1, True) - 2 * part @ codes.T
            digits.append((far + codes.pow(2).sum(-1)).argmin(-1))
        return torch.stack(
            [digits[2 * s] + 128 * digits[2 * s + 1] for s in range(4)], -1
        )

    def codes(self, book):
        path = f"quantizer.quantizers.0._codebook.codebooks.{book}"
        return self.state[f"{path}.embed"]

    def embedding(self, mel):
        network = ecapa()
        prefix = "speaker_encoder."
        network.load_state_dict(
            {
                name.removeprefix(prefix): value
                for name, value in self.state.items()
                if name.startswith(prefix)
            }
        )
        with torch.no_grad():
            return network(mel).squeeze(1)

    def decode(self, codes, g):
        """Codes [B, N, k] and g [B, 1024] -> log-mel [B, 12N, 80]."""
        z = torch.zeros(*codes.shape[:2], 1024)
        for stream in range(codes.shape[2]):
            ids = codes[..., stream]
            start = 256 * stream
            z[..., start : start + 128] = self.codes(2 * stream)[ids % 128]
            z[..., start + 128 : start + 256] = self.codes(2 * stream + 1)[
                ids // 128
            ]
        quantizer = "quantizer.quantizers.0"
        q = F.linear(
            z,
            self.state[f"{quantizer}.project_out.weight"],
            self.state[f"{quantizer}.project_out.bias"],
        )
        g = g.unsqueeze(-1)
        x = self.conv(q.transpose(1, 2) + g, "decoder_1.layers.0")
        for place, stride in ((2, 3), (5, 2)):
            x = self.block(F.silu(x), f"decoder_1.layers.{place}", stride)
        x = self.conv(F.silu(x) + g, "decoder_2.layers.0")
        x = self.block(F.silu(x), "decoder_2.layers.2", 2)
        return self.conv(F.silu(x), "decoder_2.layers.5").transpose(1, 2)

    def block(self, x, name, stride):
        x = self.up(x, f"{name}.layers.0", stride)
        x = self.unit(F.silu(x), f"{name}.layers.3")
        return self.unit(F.silu(x), f"{name}.layers.6")


def vocode(state, mel):
    """Log-mel [B, M, 80] to audio, from the released state dict."""

    def weight(name):
        v = state[f"{name}.weight_v"]
        size = v.pow(2).sum((1, 2), keepdim=True).sqrt()
        return state[f"{name}.weight_g"] * v / size, state[f"{name}.bias"]

    def activate(x, name):
        channels = x.shape[1]
        up = state[f"{name}.upsample.filter"].expand(channels, 1, 12)
        down = state[f"{name}.downsample.lowpass.filter"]
        x = F.pad(x, (5, 5), mode="replicate")
        x = 2 * F.conv_transpose1d(x, up, stride=2, groups=channels)
        x = x[..., 15:-15]
        alpha = state[f"{name}.act.alpha"].exp()[:, None]
        beta = state[f"{name}.act.beta"].exp()[:, None]
        x = x + (alpha * x).sin() ** 2 / (beta + 1e-9)
        x = F.pad(x, (5, 6), mode="replicate")
        down = down.expand(channels, 1, 12)
        return F.conv1d(x, down, stride=2, groups=channels)

    x = F.conv1d(mel.transpose(1, 2), *weight("conv_pre"), padding=3)
    rates = zip((5, 4, 2, 2, 2), (11, 8, 4, 4, 4))
    for stage, (rate, kernel) in enumerate(rates):
        padding = (kernel - rate) // 2
        up = weight(f"ups.{stage}.0")
        x = F.conv_transpose1d(x, *up, stride=rate, padding=padding)
        outputs = []
        for kind, width in enumerate((3, 7, 11)):
            y, block = x, f"resblocks.{3 * stage + kind}"
            for place, dilation in enumerate((1, 3)):
                z = activate(y, f"{block}.activations.{place}")
                conv = weight(f"{block}.convs.{place}")
                padding = dilation * (width - 1) // 2
                y = y + F.conv1d(z, *conv, padding=padding, dilation=dilation)
            outputs.append(y)
        x = sum(outputs) / 3
    x = activate(x, "activation_post")
    return F.conv1d(x, *weight("conv_post"), padding=3).tanh().squeeze(1)

"""POST /v1/codec/encode, allocate, decode: audio to tokens and back.

They are the codec's methods of these names, for one recording.
"""

from inspect import signature

import torch
from starlette.responses import JSONResponse

from speechbrain_gogo.dataio.audio.files import read_audio_bytes
from speechbrain_gogo.inference.files.describe import token_and_bit_rate
from speechbrain_gogo.serving.audio import (
    FIELDS,
    check_format,
    respond_with_audio,
)
from speechbrain_gogo.serving.errors import ApiError
from speechbrain_gogo.serving.requests import read_body, read_json

AUDIO_TYPES = "audio/", "application/octet-stream"
DECODE_FIELDS = {
    **dict.fromkeys(("model", "fingerprint"), "text"),
    "tokens": "list",
    "side": "object",
    "keep": "whole number or list",
    "num_samples": "whole number",
    **FIELDS,
}


async def encode(request):
    """Encode a recording, the body of the request, to tokens.

    The response is JSON: tokens [N][K], num_samples at the codec's rate,
    fingerprint, and in ``side`` what decoding needs beside tokens. An ApiError
    or a ValueError is raised if the recording cannot be used.
    """
    served = request.app.state.served
    codec, limits = served.codec, served.limits
    data = await read_body(request, AUDIO_TYPES, limits.bytes)

    def work(job):
        name = "the recording"
        wav = read_audio_bytes(data, codec.sample_rate, limits.seconds, name)
        pieces = job.until_stopped(codec.encode_stream([wav]))
        tokens = torch.cat(list(pieces))
        side = codec.side_information(wav[None])
        yield {
            "model": served.name,
            "fingerprint": codec.fingerprint,
            "num_samples": len(wav),
            "tokens": tokens.tolist(),
            "side": {key: value[0].tolist() for key, value in side.items()},
        }

    return await _respond_with_json(request, work)


async def allocate(request):
    """Budgets of tokens by the codec's allocator.

    Fields of the request are tokens and target_rate; the response is JSON:
    budgets [N], token_rate and bit_rate in Hz. An ApiError or a ValueError is
    raised if a field is wrong, or there is no allocator.
    """
    served = request.app.state.served
    fields = {"tokens": "list", "target_rate": "number"}
    given = await read_json(request, fields, served.limits.bytes)
    tokens = _read_tokens(given, served)

    def work(job):
        rate = given.get("target_rate")
        budgets = served.codec.allocate(tokens[None], target_rate=rate)[0]
        mean = float(budgets.double().mean())
        rates = token_and_bit_rate(served.codec, mean)
        yield {
            "budgets": budgets.tolist(),
            **dict(zip(("token_rate", "bit_rate"), rates)),
        }

    return await _respond_with_json(request, work)


async def decode(request):
    """Decode tokens; the response is audio.

    Fields of the request are those of ``encode``'s response, and settings of
    ``decode_stream``; ``keep`` is a number, or a list of one per group. An
    ApiError or a ValueError is raised if a field is wrong.
    """
    served = request.app.state.served
    codec = served.codec
    fields = {**DECODE_FIELDS, **dict.fromkeys(codec.sampler, "number")}
    given = await read_json(request, fields, served.limits.bytes)
    served.check_model(given.get("model"))
    served.check_steps(given.get("num_steps"))
    check_format(given)
    tokens = _read_tokens(given, served)
    if given.get("fingerprint", codec.fingerprint) != codec.fingerprint:
        raise ApiError(
            f"These are tokens of another codec than '{codec.name}'.",
            "fingerprint",
        )
    settings = {
        name: given[name]
        for name in ("keep", "num_samples", *codec.sampler)
        if name in given
    }
    if isinstance(settings.get("keep"), list):
        settings["keep"] = _as_tensor(given["keep"], "keep", 1)
    known = set(signature(codec.decode_stream).parameters).difference(fields)
    for name, values in given.get("side", {}).items():
        if name not in known:
            raise ApiError(f"The codec decodes without {name}.", "side")
        settings[name] = _as_tensor(values, "side", 1, torch.float32)

    def make_pieces(job):
        for piece in codec.decode_stream(tokens, **settings):
            yield piece.cpu()

    rate = codec.sample_rate
    return await respond_with_audio(request, given, make_pieces, rate)


async def _respond_with_json(request, work):
    """The only thing that a job makes."""
    job = request.state.ticket.start(work, request.receive)
    return JSONResponse(await anext(job))


def _read_tokens(given, served):
    """Tokens [N, K] of a request."""
    tokens = _as_tensor(given.get("tokens"), "tokens", 2)
    most, rate = served.limits.seconds, served.codec.group_rate
    if len(tokens) > most * rate + 1:
        raise ApiError(
            f"{len(tokens)} groups are more than {most:g} s of audio.",
            "tokens",
            "request_too_large",
            status=413,
        )
    return tokens


def _as_tensor(values, name, dimensions, dtype=torch.long):
    """Nested lists of numbers as a tensor."""
    try:
        found = torch.tensor(values)
        whole = dtype == torch.float32 or not found.is_floating_point()
    except (TypeError, ValueError, RuntimeError, OverflowError):
        whole = False
    if not whole or found.dim() != dimensions or not found.numel():
        raise ApiError(
            f"{name} has to be {dimensions * '['}numbers{dimensions * ']'}.",
            name,
            "invalid_type",
        )
    return found.to(dtype)

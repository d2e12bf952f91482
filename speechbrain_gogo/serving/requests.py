"""Bodies of requests: their size, their JSON, the kinds of their fields."""

import asyncio
import json
import math

from speechbrain_gogo.serving.errors import ApiError

SLOWEST_UPLOAD = 60  # seconds for a whole body

# What JSON has for the kinds of fields.
KINDS = {
    "text": str,
    "flag": bool,
    "whole number": int,
    "number": (int, float),
    "list": list,
    "object": dict,
    "whole number or list": (int, list),
}


async def read_body(request, media_types, most_bytes):
    """The body of a request, bytes of a limited size.

    Its type has to begin with one of ``media_types``: browsers ask for
    permission, which is not given, before a page of another site may send
    these. Raises an ApiError if the type is another one, or the body too large
    or too slow.
    """
    kind = request.headers.get("content-type", "").lower()
    if not kind.startswith(tuple(media_types)):
        raise ApiError(
            f"Content-Type '{kind}': send {' or '.join(media_types)}.",
            code="unsupported_media_type",
            status=415,
        )
    too_large = ApiError(
        f"The request is larger than {most_bytes} bytes.",
        code="request_too_large",
        status=413,
    )
    claimed = request.headers.get("content-length", "0")
    if claimed.isdecimal() and int(claimed) > most_bytes:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(SLOWEST_UPLOAD):
            async for part in request.stream():
                body += part
                if len(body) > most_bytes:
                    raise too_large
    except TimeoutError:
        raise ApiError(
            f"The request took more than {SLOWEST_UPLOAD} s to arrive.",
            status=408,
        ) from None
    return bytes(body)


async def read_json(request, fields, most_bytes):
    """The fields of a JSON body that are given and not null, a dict.

    ``fields`` maps the names of all fields that there are to their kinds.
    Raises an ApiError if the body is no JSON object, or a field is unknown or
    of another kind.
    """
    body = await read_body(request, ["application/json"], most_bytes)
    try:
        given = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ApiError(f"The body is no JSON: {error}.") from None
    if not isinstance(given, dict):
        raise ApiError("The body has to be a JSON object.")
    given = {name: value for name, value in given.items() if value is not None}
    for name, value in given.items():
        if name not in fields:
            raise ApiError(
                f"No field is called '{name}': there are {', '.join(fields)}.",
                name,
                "unknown_parameter",
            )
        if not _is_of_kind(value, fields[name]):
            raise ApiError(
                f"{name} has to be a {fields[name]}.", name, "invalid_type"
            )
    return given


def _is_of_kind(value, kind):
    if isinstance(value, bool) or kind == "flag":
        return isinstance(value, bool) and kind == "flag"
    if isinstance(value, float) and not math.isfinite(value):
        return False
    return isinstance(value, KINDS[kind])


def _no_constant(name):
    raise ValueError(f"it holds {name}")

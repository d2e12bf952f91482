"""Audio responses: whole files, or chunks while they are generated."""

from starlette.responses import Response, StreamingResponse

from speechbrain_gogo.dataio.audio.encoding import (
    ENCODINGS,
    encode_pieces,
    encode_whole,
)
from speechbrain_gogo.serving.errors import ApiError
from speechbrain_gogo.serving.jobs import CancelledJobError

FIELDS = {"response_format": "text", "stream": "flag"}
DEFAULT = "mp3"  # as in OpenAI's API


def check_format(given):
    """Raise an ApiError for an unknown format."""
    wanted = given.get("response_format", DEFAULT)
    if wanted not in ENCODINGS:
        raise ApiError(
            f"response_format '{wanted}': use one of {', '.join(ENCODINGS)}.",
            "response_format",
            "invalid_value",
        )


async def respond_with_audio(
    request, given, make_pieces, sample_rate, comment=""
):
    """Have a worker make audio, and send it: a Response.

    Errors before the first chunk become a response of their own; after one
    later the connection is closed before the last chunk. The body of the
    request has been read; of its fields, ``given``, those in FIELDS are used.
    ``make_pieces`` takes a :class:`~speechbrain_gogo.serving.jobs.Job` and
    gives an iterable of float32 [T] at ``sample_rate`` Hz. ``comment`` is that
    of the audio's metadata, in formats that have some.
    """
    encoding = given.get("response_format", DEFAULT)
    stream = given.get("stream", False)

    def work(job):
        pieces = job.until_stopped(make_pieces(job))
        if stream:
            return encode_pieces(pieces, encoding, sample_rate, comment)
        return iter([encode_whole(pieces, encoding, sample_rate, comment)])

    job = request.state.ticket.start(work, request.receive)
    first = await anext(job)
    settings = {
        "headers": job.headers,
        "media_type": ENCODINGS[encoding].media_type,
    }
    if not stream:
        return Response(first, **settings)
    return StreamingResponse(_from_first(first, job), **settings)


async def _from_first(first, job):
    yield first
    try:
        async for data in job:
            yield data
    except CancelledJobError:  # the client has gone
        return

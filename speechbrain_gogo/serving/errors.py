"""Errors as JSON, in the shape of OpenAI's API."""

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from speechbrain_gogo.serving.jobs import BusyError, CancelledJobError

CLIENT_HAS_GONE = 499  # nginx' status; nobody reads it


class ApiError(Exception):
    """A request that cannot be answered.

    ``message`` says what is wrong, and what to do; ``param`` is the field that
    is wrong, ``code`` a name of the error for programs, ``status`` that of HTTP.
    """

    def __init__(self, message, param=None, code=None, status=400):
        super().__init__(message)
        self.status, self.message = status, message
        self.param, self.code = param, code


def error_response(status, message, param=None, code=None, headers=None):
    """An error as OpenAI's API has it, see :class:`ApiError`.

    Example
    -------
    >>> error_response(404, "No such page.").body.decode()
    '{"error":{"message":"No such page.","type":"invalid_request_error","param":null,"code":null}}'
    """
    kind = "invalid_request_error" if status < 500 else "server_error"
    error = {"message": message, "type": kind, "param": param, "code": code}
    return JSONResponse({"error": error}, status, headers)


def _api_error(request, error):
    return error_response(error.status, error.message, error.param, error.code)


def _http_error(request, error):
    return error_response(
        error.status_code, f"{error.detail}.", headers=error.headers
    )


def _value_error(request, error):
    return error_response(400, str(error), code="invalid_value")


def _busy(request, error):
    seconds = error.retry_after
    return error_response(
        503,
        f"As many requests as are admitted are open: retry in {seconds} s.",
        code="busy",
        headers={"Retry-After": str(seconds)},
    )


def _cancelled(request, error):
    return Response(status_code=CLIENT_HAS_GONE)


def _failure(request, error):
    return error_response(
        500, "The server failed; its log says where.", code="internal_error"
    )


HANDLERS = {
    ApiError: _api_error,
    HTTPException: _http_error,
    ValueError: _value_error,
    BusyError: _busy,
    CancelledJobError: _cancelled,
    Exception: _failure,
}

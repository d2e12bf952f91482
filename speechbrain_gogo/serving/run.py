"""A server of the application, by uvicorn."""

import ipaddress
import socket

import uvicorn

LOCAL = "localhost", "127.0.0.1", "::1"
LAST_WORDS = 5  # seconds that open responses have when the server ends


def listen(host="127.0.0.1", port=8000):
    """Bind a port, before the models are loaded: a socket.

    ``host`` is the address or name to listen at, 0.0.0.0 all of IPv4; ``port``
    is 0 for a free one. Raises an OSError if the port is taken or out of range,
    or the address not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise OSError(
            f"Cannot listen at {host}, port {port}: {why}. Choose another with "
            "--host and --port."
        ) from None


def host_names(host, address=None):
    """Allowed host names of a server that listens at a host, None for any.

    A server on a local address only accepts the local names, so that pages of
    other sites cannot reach it by DNS rebinding. ``address`` is the one that
    was bound for the host; by default, ``host`` is one.

    Example
    -------
    >>> host_names("127.0.0.1")
    ['localhost', '127.0.0.1', '::1']
    >>> host_names("0.0.0.0")
    """
    address = address or host
    try:
        local = host in LOCAL or ipaddress.ip_address(address).is_loopback
    except ValueError:
        return None
    return list(dict.fromkeys([*LOCAL, host, address])) if local else None


def make_server(app):
    """A server of the application, which ends on Ctrl-C and SIGTERM."""
    config = uvicorn.Config(
        app, log_level="warning", timeout_graceful_shutdown=LAST_WORDS
    )
    return uvicorn.Server(config)


def run_server(app, sock):
    """Serve at a socket of :func:`listen` until the server is stopped."""
    # Global switches of precision, which each call sets and resets: set for all
    # threads as long as any of them computes.
    with app.state.served.codec.own_precision():
        make_server(app).run(sockets=[sock])

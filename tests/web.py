"""A server of this process, for tests."""

import contextlib
import threading

from speechbrain_gogo.serving import listen, make_app
from speechbrain_gogo.serving.run import make_server


@contextlib.contextmanager
def running(served, *settings):
    """Serve a model in a thread; gives the URL and the application."""
    app = make_app(served, *settings)
    server = make_server(app)
    with listen(port=0) as sock:
        thread = threading.Thread(target=server.run, args=([sock],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}", app
        finally:
            server.should_exit = True
            thread.join()

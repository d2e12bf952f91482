"""The application: routes, the page, and the life of a request.

No prompt, text or audio is stored: requests are read into memory, and uploads
are not forms, which would be buffered in temporary files.
"""

import contextlib
import logging
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import FileResponse, JSONResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from speechbrain_gogo.serving.coding import allocate, decode, encode
from speechbrain_gogo.serving.errors import HANDLERS
from speechbrain_gogo.serving.jobs import JobQueue
from speechbrain_gogo.serving.speaking import create_speech

PAGE = Path(__file__).parent / "page"
# The text of a prompt is in its log.
TRANSCRIPTION = "speechbrain_gogo.inference.synthesis.transcription"
SECURITY = {
    # The page has no external resources; recordings are its own blobs.
    "Content-Security-Policy": "default-src 'self'; media-src blob:; "
    "img-src 'self' data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


class Admission:
    """Holds a ticket of the queue for a request, until its response has ended.

    Middleware of an ASGI application; a BusyError is raised if the queue is
    full.
    """

    def __init__(self, app, queue):
        self.app, self.queue = app, queue

    async def __call__(self, scope, receive, send):
        """ASGI."""
        with self.queue.admit() as ticket:
            scope.setdefault("state", {})["ticket"] = ticket
            await self.app(scope, receive, send)


def make_app(served, queue=None, hosts=None):
    """The Starlette application that serves a model, a :class:`Served`.

    ``queue`` is that of its requests; by default one worker, and 16 that may
    wait. ``hosts`` are the allowed host names of requests, any by default: they
    protect from pages of other sites whose name resolves to this machine.
    """
    logging.getLogger(TRANSCRIPTION).setLevel(logging.ERROR)
    queue = queue or JobQueue()
    work = [Middleware(Admission, queue=queue)]
    posts = {
        "/v1/audio/speech": create_speech,
        "/v1/codec/encode": encode,
        "/v1/codec/allocate": allocate,
        "/v1/codec/decode": decode,
    }
    routes = [
        Route("/", show_page),
        Route("/health", health),
        Route("/v1/models", list_models),
        *(
            Route(path, endpoint, methods=["POST"], middleware=work)
            for path, endpoint in posts.items()
        ),
        Mount("/page", StaticFiles(directory=PAGE)),
    ]

    @contextlib.asynccontextmanager
    async def lifespan(_):
        yield
        queue.close()

    app = Starlette(
        routes=routes,
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts)],
        exception_handlers=HANDLERS,
        lifespan=lifespan,
    )
    app.state.served, app.state.queue = served, queue
    return app


async def show_page(request):
    """GET /: the web page."""
    return FileResponse(PAGE / "index.html", headers=SECURITY)


async def health(request):
    """GET /health: that the server answers, and how many requests are open."""
    queue = request.app.state.queue
    return JSONResponse(
        {
            "status": "ok",
            "model": request.app.state.served.name,
            "open_requests": queue.open,
            "most_requests": queue.most,
        }
    )


async def list_models(request):
    """GET /v1/models: the model, in OpenAI's list of models."""
    entry = request.app.state.served.describe()
    return JSONResponse({"object": "list", "data": [entry]})

"""The queue of `gogo serve`: waiting, refused and cancelled requests."""

import asyncio
import contextlib
import socket
import threading
import time
from types import SimpleNamespace

import aiohttp
import numpy as np
import pytest
import requests
import torch
from web import running

from speechbrain_gogo.inference.streaming.speech import SpeechCancelledError
from speechbrain_gogo.serving import JobQueue, Served

CLIENTS = 50
PIECES = 3


class GatedSpeech:
    """Speaks the number that a text is, piece by piece, when the gate opens.

    It stands for a model of which it is known when it does what.
    """

    SETTINGS = ()
    voice = "voice.wav", "What it says."

    def __init__(self):
        self.codec = SimpleNamespace(name="gated", sample_rate=24000)
        self.gate = threading.Semaphore(0)  # lets a piece pass
        self.started, self.ended = [], []

    def stream_voice(self, text, prompt_wav, prompt_text, allocate, seed):
        return GatedStream(self, int(text))


class GatedStream:
    """What a GatedSpeech says."""

    def __init__(self, model, number):
        self.model, self.number = model, number
        self.cancelled = threading.Event()

    def __iter__(self):
        self.model.started.append(self.number)
        for piece in range(PIECES):
            while not self.model.gate.acquire(timeout=0.005):
                if self.cancelled.is_set():
                    self.model.ended.append(self.number)
                    raise SpeechCancelledError
            yield torch.full((2400,), (self.number + piece / 4) / 64)

    def speech(self):
        return SimpleNamespace(finished=True)


@pytest.fixture(autouse=True)
def without_watermark(monkeypatch):
    """A watermark would change the numbers that a GatedSpeech speaks."""
    path = "speechbrain_gogo.serving.speaking.mark_stream"
    monkeypatch.setattr(path, lambda pieces, rate: pieces)


def said(number):
    """The values that the pieces of a number have."""
    return [number + piece / 4 for piece in range(PIECES)]


def values_of(data):
    """The values of pieces of 2,400 samples."""
    samples = np.frombuffer(data, "<i2").reshape(-1, 2400) / 32767
    assert (samples == samples[:, :1]).all()
    return (64 * samples[:, 0]).round(2).tolist()


class Clients:
    """Clients of a server with a GatedSpeech."""

    def __init__(self, session, url, app):
        self.session, self.url, self.app = session, url, app
        self.model, self.queue = app.state.served.speech, app.state.queue

    def post(self, number, stream=False):
        fields = {"input": str(number), "response_format": "pcm"}
        fields["stream"] = stream
        url = f"{self.url}/v1/audio/speech"
        return self.session.post(url, json=fields)

    async def hear(self, number):
        """Status and values of a number."""
        async with self.post(number) as response:
            data = await response.read()
            return response.status, values_of(data) if response.ok else None

    async def until(self, condition):
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.002)

    async def one_after_the_other(self, numbers):
        """Requests that arrive in this order."""
        tasks, waiting = [], self.queue._pool._work_queue
        for number in numbers:
            tasks.append(asyncio.create_task(self.hear(number)))
            await self.until(lambda: self.queue.open == len(tasks))
            await self.until(lambda: waiting.qsize() == len(tasks) - 1)
        return tasks

    def open_gate(self):
        self.model.gate.release(10**6)


def with_clients(script, **queue):
    """Run a script of clients of a new server."""

    async def run(url, app):
        connections = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connections) as session:
            await script(Clients(session, url, app))

    model = GatedSpeech()
    with running(Served(model.codec, model), JobQueue(**queue)) as (url, app):
        try:
            asyncio.run(run(url, app))
        finally:
            model.gate.release(10**6)


def test_fifty_clients_are_served_in_order_and_one_more_is_refused():
    async def script(clients):
        tasks = await clients.one_after_the_other(range(CLIENTS))
        async with clients.post(51) as response:
            assert response.status == 503
            assert 1 <= int(response.headers["retry-after"]) <= 60
            assert (await response.json())["error"]["code"] == "busy"
        async with clients.session.get(f"{clients.url}/health") as response:
            health = await response.json()
            assert health["open_requests"] == health["most_requests"] == CLIENTS
        clients.open_gate()
        found = await asyncio.gather(*tasks)
        assert found == [(200, said(number)) for number in range(CLIENTS)]
        assert clients.model.started == list(range(CLIENTS))
        await clients.until(lambda: clients.queue.open == 0)

    with_clients(script, workers=1, waiting=CLIENTS - 1)


def test_fifty_clients_retry_until_all_are_served():
    async def persist(clients, number):
        tries = 1
        while (found := await clients.hear(number))[0] == 503:
            tries += 1
            await asyncio.sleep(0.02)
        return *found, tries

    async def script(clients):
        clients.open_gate()
        tasks = [persist(clients, number) for number in range(CLIENTS)]
        found = await asyncio.gather(*tasks)
        for number, (status, values, _) in enumerate(found):
            assert (status, values) == (200, said(number))
        assert max(tries for *_, tries in found) > 1  # some were refused

    with_clients(script, workers=2, waiting=4)


def test_chunks_arrive_during_generation():
    async def script(clients):
        async def pass_on():
            await asyncio.sleep(0.05)
            clients.model.gate.release()

        passing = asyncio.create_task(pass_on())
        async with clients.post(7, stream=True) as response:
            await passing
            for value in said(7):
                data = await response.content.readexactly(4800)
                assert values_of(data) == [value]
                clients.model.gate.release()
            assert not await response.content.read()

    with_clients(script)


def test_disconnecting_cancels_the_work():
    async def script(clients):
        model, queue = clients.model, clients.queue
        # While it reads a stream.
        model.gate.release()
        async with clients.post(1, stream=True) as response:
            await response.content.readexactly(4800)
            response.close()
        await clients.until(lambda: model.ended == [1] and queue.open == 0)
        # While it waits for a whole file, or for a worker.
        tasks = await clients.one_after_the_other([2, 3, 4])
        await clients.until(lambda: model.started == [1, 2])
        for task in tasks[:2]:
            task.cancel()
        await clients.until(lambda: model.ended == [1, 2] and queue.open == 1)
        clients.open_gate()
        assert await tasks[2] == (200, said(4))
        assert model.started == [1, 2, 4]
        await clients.until(lambda: queue.open == 0)

    with_clients(script)


def test_disconnecting_before_the_request_is_complete():
    async def script(clients):
        address = clients.url.removeprefix("http://").split(":")
        with socket.create_connection(address) as sock:
            sock.sendall(
                b"POST /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Type: application/json\r\n"
                b'Content-Length: 100\r\n\r\n{"input": '
            )
            await clients.until(lambda: clients.queue.open == 1)
        await clients.until(lambda: clients.queue.open == 0)
        assert not clients.model.started

    with_clients(script)


def test_shutdown_ends_running_requests(monkeypatch):
    """Soon, although a client is connected."""
    monkeypatch.setattr("speechbrain_gogo.serving.run.LAST_WORDS", 0.1)
    model, answers = GatedSpeech(), []

    def client(url):
        with contextlib.suppress(requests.exceptions.ConnectionError):
            answers.append(requests.post(url, json={"input": "5"}).status_code)

    with running(Served(model.codec, model)) as (url, _):
        address = f"{url}/v1/audio/speech"
        thread = threading.Thread(target=client, args=(address,))
        thread.start()
        while not model.started:
            time.sleep(0.002)
    thread.join(20)
    assert model.ended == [5] and 200 not in answers

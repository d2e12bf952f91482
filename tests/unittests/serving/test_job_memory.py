"""Memory of a server under many clients."""

import asyncio
import base64
import io
import os
from pathlib import Path

import aiohttp
import numpy as np
import pytest
import soundfile
from web import running

from speechbrain_gogo.inference import open_speech
from speechbrain_gogo.serving import JobQueue, Served

CLIENTS = 50


@pytest.fixture(autouse=True)
def without_watermark(monkeypatch):
    """A watermark would change the numbers that a GatedSpeech speaks."""
    path = "speechbrain_gogo.serving.speaking.mark_stream"
    monkeypatch.setattr(path, lambda pieces, rate: pieces)


def resident_bytes():
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGESIZE")


@pytest.mark.long
@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="no /proc: memory is not read"
)
def test_memory_does_not_grow_with_fifty_clients(tiny_speech_folder):
    """Rounds of clients of a real model; each gets its own speech."""
    model = open_speech(tiny_speech_folder, one_utterance=True)
    noise = 0.1 * np.random.default_rng(0).normal(size=16000)
    file = io.BytesIO()
    soundfile.write(file, noise, 16000, format="WAV")
    prompt = base64.b64encode(file.getvalue()).decode()
    texts = "Why?", "So!", "The fox.", "A lazy dog.", "Over."

    async def persist(session, url, number, statuses):
        fields = {
            "input": texts[number % 5],
            "prompt_audio": prompt,
            "prompt_text": "The quick brown fox.",
            "response_format": "pcm",
            "stream": number % 2 == 0,
        }
        while True:
            async with session.post(url, json=fields) as response:
                statuses.append(response.status)
                if response.status != 503:
                    return number, await response.read()
            await asyncio.sleep(0.2)

    async def round_of_clients(url):
        statuses = []
        connections = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connections) as session:
            numbers = range(CLIENTS)
            tasks = [persist(session, url, n, statuses) for n in numbers]
            found = dict(await asyncio.gather(*tasks))
        assert set(statuses) == {200, 503}
        for number, data in found.items():
            assert data == found[number % 5] and len(data) > 5120
        assert len(set(found.values())) == 5

    with running(Served(model.codec, model), JobQueue()) as (url, _):
        used = []
        for _ in range(3):
            asyncio.run(round_of_clients(f"{url}/v1/audio/speech"))
            used.append(resident_bytes())
    megabytes = [round(size / 1e6, 1) for size in used]
    print(f"resident after each round of {CLIENTS}: {megabytes} MB")
    assert used[-1] - used[0] < 30e6

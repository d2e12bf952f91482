"""The page of `gogo serve` in a real browser."""

import base64
import time

import numpy as np
import pytest
import requests
import soundfile
from web import running

from speechbrain_gogo.inference import open_speech
from speechbrain_gogo.serving import Served

SAYS = "The quick brown fox."
TEXT = "Why does the fox jump? So!"

# Note what the page plays, and when.
LISTEN = """
window.heard = [];
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (when) {
  const status = document.getElementById("speak-status").textContent;
  heard.push({ when, status, samples: [...this.buffer.getChannelData(0)] });
  start.call(this, when);
};
"""


@pytest.fixture(scope="module")
def served(tiny_speech_folder):
    speech = open_speech(tiny_speech_folder, one_utterance=True)
    return Served(speech.codec, speech)


@pytest.fixture
def page(browser, served):
    """The open page: its URL, and functions that look and wait."""
    with running(served) as (url, _):
        browser.execute_cdp_cmd(
            "Page.addScriptToEvaluateOnNewDocument", {"source": LISTEN}
        )
        browser.get(url)
        yield Page(browser, url)
        errors = [
            entry
            for entry in browser.get_log("browser")
            if entry["level"] == "SEVERE"
        ]
        assert not errors


class Page:
    """A page, by the ids of its elements."""

    def __init__(self, browser, url):
        self.browser, self.url = browser, url
        self.wait("return document.getElementById('model').textContent")

    def __getitem__(self, name):
        return self.browser.find_element("id", name)

    def run(self, script):
        return self.browser.execute_script(script)

    def wait(self, script, seconds=60):
        until = time.monotonic() + seconds
        while not (found := self.run(script)):
            if time.monotonic() > until:
                pytest.fail(f"never true: {script}; {self.statuses()}")
            time.sleep(0.02)
        return found

    def statuses(self):
        return self["speak-status"].text, self["decode-status"].text

    def wait_for_status(self, name, part):
        self.wait(
            f"return document.getElementById('{name}-status')"
            f".textContent.includes('{part}')"
        )

    def colors(self, figure):
        """How many colours a picture has."""
        return self.run(
            f"const canvas = document.querySelector('#{figure} canvas');"
            "const {data} = canvas.getContext('2d').getImageData("
            "0, 0, canvas.width, canvas.height);"
            "return new Set(new Uint32Array(data.buffer)).size;"
        )


@pytest.fixture
def recording(tmp_path):
    """Two seconds at the codec's rate, so that the browser changes no sample."""
    noise = 0.1 * np.random.default_rng(0).normal(size=48000)
    soundfile.write(tmp_path / "noise.wav", noise, 24000)
    return tmp_path / "noise.wav"


@pytest.mark.long
def test_synthesis_in_a_browser(page, recording):
    """Upload a voice, synthesize, cancel; errors are shown."""
    assert "synthetic" in page["disclosure"].text
    assert page["language"].text == ", in English"
    page["text"].clear()
    page["text"].send_keys(TEXT)
    page["speak"].click()  # there is no voice yet
    page.wait_for_status("speak", "Record a voice")
    page["prompt-file"].send_keys(str(recording))
    page.wait("return !document.getElementById('prompt-player').hidden")
    page["prompt-text"].send_keys(SAYS)
    page["speak"].click()
    page.wait_for_status("speak", "of speech, made in")
    heard = page.run("return heard")
    assert len(heard) > 1
    assert "being made" in heard[0]["status"]  # long before all was there
    for one, other in zip(heard, heard[1:]):
        length = len(one["samples"]) / 24000
        assert other["when"] >= one["when"] + length - 1e-3
    samples = np.concatenate([piece["samples"] for piece in heard])
    prompt = base64.b64encode(recording.read_bytes()).decode()
    said = requests.post(
        f"{page.url}/v1/audio/speech",
        json={
            "input": TEXT,
            "prompt_audio": prompt,
            "prompt_text": SAYS,
            "response_format": "pcm",
        },
    )
    expected = np.frombuffer(said.content, "<i2") / 32767
    assert np.allclose(samples, expected, atol=1e-6)
    assert page.colors("spoken") > 50
    assert page.run("return document.querySelector('#spoken audio').src")

    page["text"].clear()
    page["text"].send_keys("The lazy dog jumps. " * 50)
    page["speak"].click()
    page.wait_for_status("speak", "so far")
    page["speak-cancel"].click()
    page.wait_for_status("speak", "Cancelled")
    page.wait(
        "return fetch('health').then((r) => r.json())"
        ".then((health) => health.open_requests === 0)"
    )
    page["text"].clear()
    page["text"].send_keys("\u00bf?")
    page["speak"].click()
    page.wait_for_status("speak", "no English words")
    page.browser.get_log("browser")  # which notes the status 400


@pytest.mark.long
def test_coding_in_a_browser(page, recording):
    """Upload, encode and decode, change the rate; then from the microphone."""
    page["file"].send_keys(str(recording))
    page.wait("return !document.getElementById('decode').disabled")
    page["decode"].click()
    page.wait_for_status("decode", "2.00 s, 10 groups, 46.9 tokens/s")
    assert page.colors("original") > 50 < page.colors("decoded")
    assert page.colors("allocation") == 2  # of kept tokens, and none
    page.run(
        "const slider = document.getElementById('keep'); slider.value = 3;"
        "slider.dispatchEvent(new Event('input'));"
        "slider.dispatchEvent(new Event('change'));"
    )
    page.wait_for_status("decode", "10 groups, 14.1 tokens/s, 192 bit/s")
    assert page["rate"].text.startswith("3: 14.1 tokens/s")
    page["record"].click()
    page.wait("return document.getElementById('record').textContent == 'Stop'")
    time.sleep(0.7)
    page["record"].click()
    page.wait("return document.getElementById('decoded').hidden")
    page["decode"].click()
    page.wait_for_status("decode", "groups, 14.1 tokens/s")

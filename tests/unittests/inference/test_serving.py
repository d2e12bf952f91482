"""Stages on servers: the client, against servers of this file and real ones.

The fake ones speak the HTTP of llama.cpp and of vLLM and compute with torch
what those compute, from the settings of each request.
"""

import http.server
import json
import os
import shutil
import threading
import time

import pytest
import torch
from sentencepiece import SentencePieceProcessor
from transformers import LlamaForCausalLM

from speechbrain_gogo.inference import GogoSpeech
from speechbrain_gogo.inference.serving.folders import export_for_servers
from speechbrain_gogo.inference.serving.servers import SERVERS
from speechbrain_gogo.inference.serving.speech import ServedSpeech

APIS = ("llama.cpp", "vllm")
CPU = {"device": "cpu"}


class FakeServer(http.server.ThreadingHTTPServer):
    """One model on this machine alone, in both dialects."""

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), Handler)
        self.llama = LlamaForCausalLM.from_pretrained(
            folder, dtype=torch.float32
        )
        self.bodies, self.lock = [], threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @torch.no_grad()
    def generate(self, ids, count, allowed, seed, temperature, penalty):
        """As either server samples: penalty, mask, temperature."""
        draw, new = torch.Generator().manual_seed(seed), []
        for _ in range(count):
            with self.lock:
                logits = self.llama(torch.tensor([ids + new])).logits[0, -1]
            seen = torch.tensor(sorted({*ids, *new}))
            old = logits[seen]
            logits[seen] = torch.where(old > 0, old / penalty, old * penalty)
            logits = torch.where(allowed, logits, -torch.inf)
            if temperature == 0:
                new.append(int(logits.argmax()))
            else:
                chances = (logits / temperature).softmax(0)
                new.append(int(chances.multinomial(1, generator=draw)))
        return new


class Handler(http.server.BaseHTTPRequestHandler):
    """Reads requests as the servers' documentation describes them."""

    def log_message(self, *_):
        """Say nothing."""

    def do_GET(self):
        size = self.server.llama.config.vocab_size
        model = {"id": "a stage", "meta": {"n_vocab": size}}
        self.answer({"data": [model]})

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        body = json.loads(self.rfile.read(length))
        self.server.bodies.append(body)
        vocabulary = self.server.llama.config.vocab_size
        allowed = torch.ones(vocabulary, dtype=torch.bool)
        if self.path == "/completion":
            assert body["samplers"][0] == "penalties" and body["return_tokens"]
            assert body["repeat_last_n"] >= len(body["prompt"])
            for id_, bias in body["logit_bias"]:
                assert bias is False
                allowed[id_] = False
            new = self.server.generate(
                body["prompt"],
                body["n_predict"],
                allowed,
                body["seed"],
                body["temperature"],
                body["repeat_penalty"],
            )
            answer = {"tokens": new, "stop_type": "limit"}
            if new[-1] == self.server.llama.config.eos_token_id:
                answer = {"tokens": new[:-1], "stop_type": "eos"}
            self.answer(answer)
        elif self.path == "/v1/completions":
            assert body["model"] == "a stage" and body["return_token_ids"]
            allowed[:] = False
            allowed[body["allowed_token_ids"]] = True
            new = self.server.generate(
                body["prompt"],
                body["max_tokens"],
                allowed,
                body["seed"],
                body["temperature"],
                body["repetition_penalty"],
            )
            self.answer({"choices": [{"token_ids": new}]})
        else:
            self.answer({"error": "no such path"}, 404)

    def answer(self, content, status=200):
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture(scope="module")
def speech_folder(tiny_speech_folder, tmp_path_factory):
    """The tiny model, whose likeliest token is not the end at once."""
    folder = tmp_path_factory.mktemp("speech") / "model"
    shutil.copytree(tiny_speech_folder, folder)
    llama = LlamaForCausalLM.from_pretrained(folder / "stage1")
    llama.lm_head.weight.data[llama.config.gogo["end_id"], 0] = 2.6
    llama.save_pretrained(folder / "stage1")
    return folder


@pytest.fixture(scope="module")
def servers(speech_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    stages = export_for_servers(speech_folder, folder)
    running = [FakeServer(stage) for stage in stages]
    yield running
    for server in running:
        server.shutdown()


@pytest.fixture(scope="module")
def prompt():
    return 0.1 * torch.sin(torch.arange(24000) / 20)


@pytest.mark.parametrize("api", APIS)
def test_served_tokens_equal_local_ones(servers, speech_folder, prompt, api):
    """At temperature 0; the audio follows from the tokens."""
    local = GogoSpeech.from_hparams(speech_folder, run_opts=CPU)
    served = ServedSpeech.from_hparams(
        speech_folder, [s.url for s in servers], api, run_opts=CPU
    )
    settings = {"temperature": 0, "repetition_penalty": 1.3, "num_steps": 1}
    said = ("Say this. And that.", prompt, "A prompt.")
    expected = local.clone_voice(*said, **settings)
    found = served.clone_voice(*said, **settings)
    assert len(found.tokens) > 2
    assert torch.equal(found.tokens, expected.tokens)
    assert torch.equal(found.budgets, expected.budgets)
    assert found.finished == expected.finished
    torch.testing.assert_close(found.wav, expected.wav)
    chunks = list(served.stream_voice(*said, **settings))
    torch.testing.assert_close(torch.cat(chunks), expected.wav)
    asked = len(servers[0].bodies)
    pair = prompt.flip(0)[:9000], prompt
    converted = served.convert_voice(*pair, **settings)
    expected = local.convert_voice(*pair, **settings)
    assert torch.equal(converted.tokens, expected.tokens)
    assert len(servers[0].bodies) == asked  # Stage I has nothing to do


@pytest.mark.parametrize("api", APIS)
def test_served_samples_depend_on_the_seed(servers, speech_folder, prompt, api):
    served = ServedSpeech.from_hparams(
        speech_folder, [s.url for s in servers], api, run_opts=CPU
    )
    requests = [("One.", prompt, "A prompt."), ("Two.", prompt, "A prompt.")]
    first = served.clone_voice_batch(requests, seed=1, num_steps=1)
    alone = served.clone_voice(*requests[1], seed=1, num_steps=1)
    other = served.clone_voice(*requests[1], seed=2, num_steps=1)
    assert torch.equal(first[1].tokens, alone.tokens)
    assert not torch.equal(other.tokens, alone.tokens)
    temperatures = {body["temperature"] for body in servers[0].bodies[-9:]}
    assert temperatures == {0.8}  # the default of a Sampler


def test_errors_of_servers_are_reported(servers, speech_folder, prompt):
    first, second = (server.url for server in servers)

    def load(*urls, api="llama.cpp"):
        return ServedSpeech.from_hparams(speech_folder, urls, api, run_opts=CPU)

    for complaint, urls in (
        ("stage1, stage2: give a URL for each, not 1", (first,)),
        ("is it the server of the other stage", (second, first)),
    ):
        with pytest.raises(ValueError, match=complaint):
            load(*urls)
    with pytest.raises(ValueError, match="api='ollama': use one of"):
        load(first, second, api="ollama")
    with pytest.raises(ConnectionError, match="No server answers at .*:9"):
        load("http://127.0.0.1:9", second)
    said = "Say this.", prompt, "A prompt."
    with pytest.raises(ValueError, match="text_guidance=1.0: a server"):
        load(first, second).clone_voice(*said, text_guidance=1.0)
    size = servers[0].llama.config.vocab_size
    server = SERVERS["llama.cpp"](first, size)
    with pytest.raises(ValueError, match="no such path"):
        server.request("/nowhere", {})


def test_exported_tokenizer_has_every_id(speech_folder, tmp_path):
    """And encodes text like the stage's own."""
    stages = export_for_servers(speech_folder, tmp_path)
    own = SentencePieceProcessor(
        model_file=str(speech_folder / "stage1" / "text.model")
    )
    for stage in stages:
        config = json.loads((stage / "config.json").read_text())
        made = SentencePieceProcessor(model_file=str(stage / "tokenizer.model"))
        assert made.vocab_size() == config["vocab_size"]
        last = config["vocab_size"] - 1
        assert made.id_to_piece(last) == f"<|{last}|>"
        if stage.name == "stage1":
            assert made.encode("hello there") == own.encode("hello there")


@pytest.mark.skipif(
    "GOGO_SERVERS" not in os.environ,
    reason="GOGO_SERVERS names no servers of the stages of GOGO_MODEL",
)
def test_real_servers_equal_local_stages(prompt):
    """Two URLs, and GOGO_API if they are not llama.cpp's; docs/serving.md."""
    urls, model = (
        os.environ["GOGO_SERVERS"].split(","),
        os.environ["GOGO_MODEL"],
    )
    api = os.environ.get("GOGO_API", "llama.cpp")
    local = GogoSpeech.from_hparams(model, run_opts=CPU)
    served = ServedSpeech.from_hparams(model, urls, api, run_opts=CPU)
    said = ("It was a good day.", prompt, "A few words.")
    settings = {"temperature": 0, "num_steps": 1}
    started = time.perf_counter()
    found = served.clone_voice(*said, **settings)
    seconds = time.perf_counter() - started
    expected = local.clone_voice(*said, text_guidance=0.0, **settings)
    assert torch.equal(found.tokens, expected.tokens)
    print(f"{len(found.tokens)} groups in {seconds:.1f} s")

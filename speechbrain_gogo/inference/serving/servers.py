"""Clients of language model servers: ids in and out, over HTTP.

There are two APIs: llama.cpp's ``/completion`` and vLLM's ``/v1/completions``.
A request asks for a few tokens after a sequence, restricted to a range of ids;
both servers keep the cache of the sequence for the next request.
"""

import json
import urllib.error
import urllib.request

TIMEOUT = 300  # seconds, of one request


class Server:
    """A server of one model, at an address such as ``http://127.0.0.1:8001``.

    ``vocab_size`` is the number of ids of the expected model, ``end_id`` the id
    at which llama.cpp's server stops without naming it.
    """

    def __init__(self, url, vocab_size, end_id=None):
        self.url = url.rstrip("/")
        self.vocab_size, self.end_id = vocab_size, end_id
        models = self.request("/v1/models")["data"]
        self.model = models[0]["id"]
        found = (models[0].get("meta") or {}).get("n_vocab", vocab_size)
        if found != vocab_size:
            raise ValueError(
                f"{self.url} serves a model of {found} ids, the stage has "
                f"{vocab_size}: is it the server of the other stage?"
            )

    def request(self, path, body=None):
        """The answer to a request, from JSON.

        ``path`` is below the server's URL; with a ``body`` it is a POST request. A
        ConnectionError is raised if there is no answer, a ValueError with the server's
        reason if it refuses the request.
        """
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            reason = error.read().decode(errors="replace")
            raise ValueError(
                f"{self.url}{path} refuses the request ({error.code}): "
                f"{reason:.300}"
            ) from None
        except OSError as error:
            raise ConnectionError(
                f"No server answers at {self.url}: {error}. Start it as "
                "docs/serving.md says."
            ) from None

    def complete(self, ids, count, allowed, seed, sampling):
        """Tokens that follow a sequence of ids, a list of ``count``.

        ``allowed`` is the range of ids, ``sampling`` has ``temperature``,
        ``repetition_penalty``, ``top_p`` and ``top_k``.
        """
        tokens = self._generate(ids, count, allowed, seed, sampling)
        if len(tokens) != count or not all(
            token in allowed for token in tokens
        ):
            raise ValueError(
                f"{self.url} answers with {len(tokens)} tokens for {count}, "
                f"outside of {allowed} or too few: {tokens}"
            )
        return tokens


class LlamaCppServer(Server):
    """llama.cpp's ``llama-server``."""

    def _generate(self, ids, count, allowed, seed, sampling):
        refused = set(range(self.vocab_size)).difference(allowed)
        body = {
            "prompt": ids,
            "n_predict": count,
            "return_tokens": True,
            "cache_prompt": True,
            "seed": seed,
            "logit_bias": [[id_, False] for id_ in sorted(refused)],
            "samplers": ["penalties", "temperature", "top_k", "top_p"],
            "temperature": sampling["temperature"],
            "repeat_penalty": sampling["repetition_penalty"],
            "repeat_last_n": len(ids) + count,
            "top_k": sampling["top_k"],
            "top_p": sampling["top_p"],
        }
        answer = self.request("/completion", body)
        tokens = answer["tokens"]
        if answer.get("stop_type") == "eos" and len(tokens) < count:
            tokens = [*tokens, self.end_id]
        return tokens


class VllmServer(Server):
    """vLLM's ``vllm serve``, from the version that returns ids (0.10.2)."""

    def _generate(self, ids, count, allowed, seed, sampling):
        body = {
            "model": self.model,
            "prompt": ids,
            "max_tokens": count,
            "return_token_ids": True,
            "ignore_eos": True,
            "skip_special_tokens": False,
            "seed": seed,
            "allowed_token_ids": list(allowed),
            "temperature": sampling["temperature"],
            "repetition_penalty": sampling["repetition_penalty"],
            "top_k": sampling["top_k"],
            "top_p": sampling["top_p"],
        }
        return self.request("/v1/completions", body)["choices"][0]["token_ids"]


SERVERS = {"llama.cpp": LlamaCppServer, "vllm": VllmServer}

"""One round of timings of GogoSpeech, as a line of JSON; compare.py starts it.

It runs in a process of its own with the checkout that is first on the path, and
therefore uses public names only. Time is the CPU time of the process, on which other
processes have little influence.
"""

import json
import sys
from time import process_time

TEXT = "The boats came back to the harbour long before the storm."
PROMPT_TEXT = "A few seconds of the voice that is to speak."


def timed(action, times):
    """Seconds of the fastest of a few calls, and what the last one gave."""
    best = float("inf")
    for _ in range(times):
        start = process_time()
        found = action()
        best = min(best, process_time() - start)
    return best, found


def main(times, source):
    """Measure, and print."""
    import torch

    torch.set_num_threads(1)
    needed = process_time()
    from speechbrain_gogo.inference import GogoSpeech

    imported = process_time()
    speech = GogoSpeech.from_hparams(source, run_opts={"device": "cpu"})
    loaded = process_time()
    generator = torch.Generator().manual_seed(0)
    prompt = 0.1 * torch.randn(3 * speech.sample_rate, generator=generator)
    request = TEXT, prompt, PROMPT_TEXT
    next(speech.stream_voice(*request))
    cold = process_time()
    first, _ = timed(lambda: next(speech.stream_voice(*request)), times)
    speak, said = timed(lambda: speech.clone_voice(*request), times)
    audio = 0.1 * torch.randn(1, 10 * speech.sample_rate, generator=generator)
    encode, coded = timed(lambda: speech.codec.encode_batch(audio), times)
    decode, _ = timed(lambda: speech.codec.decode_batch(*coded), times)
    seconds = len(said.wav) / speech.sample_rate
    row = {
        "import torch, s": needed,
        "import the package and SpeechBrain, s": imported - needed,
        "load, s": loaded - imported,
        "first sound, cold, s": cold,
        "first sound, s": first,
        "speak, RTF": speak / seconds,
        "groups per second": len(said.tokens) / speak,
        "encode, RTF": encode / 10,
        "decode, RTF": decode / 10,
    }
    print(json.dumps(row))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])

"""Learning with two initializations of the codes' rows (Appendix C).

    python bench/quality/new_rows.py  # or, with speech:
    python bench/quality/new_rows.py gogo-mini --csv train.csv --valid valid.csv \
        --data /path/to/speech

A small Llama is extended by codes in two ways: as transformers does, with rows near
the mean of the old rows, and by ``extended_llama``, with the distribution of the old
rows. Both learn from the same batches: sequences in which each code determines the
next one, which cannot be learned without distinguishing codes; and Stage I of
speech, from a Llama that was trained on the letters of transcripts.
"""

import copy
import random
import tempfile
from pathlib import Path
from typing import Annotated

import speechbrain_gogo.compatibility  # noqa: F401

import torch
import typer
from tqdm import tqdm
from transformers import LlamaForCausalLM

from speechbrain_gogo.dataio.manifests.dataset import (
    speech_dataset,
    usable_clips,
)
from speechbrain_gogo.inference import GogoCodec
from speechbrain_gogo.lobes.nn.lengths import length_mask
from speechbrain_gogo.lobes.speech.llama import extended_llama, speech_llama
from speechbrain_gogo.lobes.speech.stage1 import BackboneLM

LETTERS = 128  # ASCII
SIZES = {"dim": 128, "num_layers": 2, "num_heads": 4, "ffn_dim": 384}


def read_clips(codec, csv, data, number):
    """Letters and backbones of clips: [(int64 [L], int64 [N, b])]."""
    dataset, _ = speech_dataset(csv, data, codec.sample_rate)
    clips = []
    for clip in tqdm(usable_clips(dataset, number, seed=0), total=number):
        wavs = clip["sig"].unsqueeze(0)
        tokens, _ = codec.encode_batch(wavs, num_tokens=codec.backbone_size)
        text = clip["wrd"].encode("ascii", "ignore")
        clips.append((torch.tensor(list(text)), tokens[0]))
    return clips


def pad(parts):
    """A batch and its relative lengths."""
    lengths = torch.tensor([len(part) for part in parts])
    batch = torch.nn.utils.rnn.pad_sequence(parts, batch_first=True)
    return batch, lengths / lengths.max()


def spell(llama, clips, steps, size=8, seed=0):
    """Train a Llama on the letters of transcripts, and return it."""
    optimizer = torch.optim.AdamW(llama.parameters(), lr=1e-3)
    draw = random.Random(seed)
    for _ in tqdm(range(steps), "letters"):
        ids, lens = pad([text for text, _ in draw.sample(clips, size)])
        labels = torch.where(length_mask(lens, ids.shape[1]), ids, -100)
        llama(ids, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return llama


def update(optimizer, loss, warmth):
    """An update with clipped gradients, at a share of the learning rate."""
    (group,) = optimizer.param_groups
    group["lr"] = 5e-4 * min(1, warmth)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(group["params"], 1.0)
    optimizer.step()
    optimizer.zero_grad()


def learn(llama, codec, clips, valid, steps, size=4, seed=0):
    """Train Stage I; validation losses by update."""
    lm = BackboneLM(llama, LETTERS, codec.vocab_size, codec.backbone_size, 1024)
    optimizer = torch.optim.AdamW(lm.parameters(), lr=5e-4, betas=(0.9, 0.95))
    draw, losses = random.Random(seed), {}
    wanted = {0, 1, steps // 10, steps // 4, steps // 2, steps}
    for step in tqdm(range(steps + 1), "Stage I"):
        if step in wanted:
            with torch.no_grad():
                losses[step] = lm(*batch_of(valid))["loss"].item()
        loss = lm(*batch_of(draw.sample(clips, size)))["loss"]
        update(optimizer, loss, (step + 1) / (steps / 10))
    return losses


def chain(llama, steps, num_codes, size=16, length=20, seed=0):
    """Learn sequences in which each code determines the next; losses by update."""
    draw = torch.Generator().manual_seed(seed)
    follower = torch.randperm(num_codes, generator=draw)
    optimizer = torch.optim.AdamW(llama.parameters(), 5e-4, (0.9, 0.95))
    losses = {}
    for step in tqdm(range(steps + 1), "chains"):
        codes = [torch.randint(num_codes, (size,), generator=draw)]
        for _ in range(length):
            codes.append(follower[codes[-1]])
        ids = torch.stack(codes, dim=1)
        hidden = llama.model(input_ids=ids[:, :-1] + LETTERS).last_hidden_state
        logits = hidden @ llama.lm_head.weight[LETTERS:].T
        loss = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), ids[:, 1:].flatten()
        )
        if step % (steps // 4) == 0:
            losses[step] = loss.item()
        update(optimizer, loss, (step + 1) / 20)
    return losses


def extend_twice(llama, num_new):
    """Name -> the Llama with new rows of either kind."""
    with tempfile.TemporaryDirectory() as folder:
        llama.save_pretrained(folder)
        spread = extended_llama(folder, num_new)
        plain = LlamaForCausalLM.from_pretrained(folder)
    plain.resize_token_embeddings(LETTERS + num_new)
    return {"as transformers draws them": plain, "extended_llama": spread}


def report(title, models, losses):
    """Print a table: deviation of the new rows, and losses by update."""
    print(f"{title}\n| new rows | deviation |", end="")
    print(*[f" after {step} |" for step in next(iter(losses.values()))])
    print("| --- |" + " ---: |" * (1 + len(next(iter(losses.values())))))
    for name, model in models.items():
        deviation = model.lm_head.weight[LETTERS:].std(0).mean().item()
        print(f"| {name} | {deviation:.2g} |", end="")
        print(*[f" {loss:.2f} |" for loss in losses[name].values()])


def batch_of(clips):
    """Letters, their lengths, tokens, their lengths."""
    return *pad([clip[0] for clip in clips]), *pad([clip[1] for clip in clips])


def main(
    source: Annotated[
        str, typer.Argument(help="Codec; without it, no speech.")
    ] = "",
    csv: Annotated[Path, typer.Option(help="Manifest to train on.")] = None,
    valid: Annotated[
        Path, typer.Option(help="Manifest to validate on.")
    ] = None,
    data: Annotated[Path, typer.Option(help="Replaces $data_root.")] = None,
    clips: Annotated[int, typer.Option(min=8)] = 100,
    valid_clips: Annotated[int, typer.Option(min=1)] = 12,
    letter_steps: int = 40,
    steps: Annotated[int, typer.Option(min=1)] = 100,
    chain_steps: Annotated[int, typer.Option(min=4)] = 120,
    chain_codes: int = 500,
):
    """Train with both kinds of rows and print tables."""
    if source and not (csv and valid):
        raise typer.BadParameter("Speech needs --csv and --valid.")
    torch.manual_seed(0)
    models = extend_twice(speech_llama(LETTERS, **SIZES), chain_codes)
    losses = {
        name: chain(copy.deepcopy(model), chain_steps, chain_codes)
        for name, model in models.items()
    }
    report("Chains of codes:", models, losses)
    if not source:
        return
    codec = GogoCodec.from_hparams(source)
    train_set = read_clips(codec, csv, data, clips)
    valid_set = read_clips(codec, valid, data, valid_clips)
    llama = spell(speech_llama(LETTERS, **SIZES), train_set, letter_steps)
    models = extend_twice(llama, codec.vocab_size + 2)
    losses = {
        name: learn(copy.deepcopy(model), codec, train_set, valid_set, steps)
        for name, model in models.items()
    }
    report("Stage I, validation:", models, losses)


if __name__ == "__main__":
    typer.run(main)

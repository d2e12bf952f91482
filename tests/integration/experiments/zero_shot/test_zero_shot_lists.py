"""Lists of tasks: read, made from manifests, and spoken by parts of the model."""

import csv

import pytest
import soundfile
import torch

from speechbrain_gogo.inference.synthesis.utterances import make_utterances


@pytest.mark.parametrize(
    "lines, message",
    [
        (["a|b|c"], "line 1 is not"),
        (["a|b|x.wav|d", "a|b|x.wav|d"], "has a twice"),
        (["../a|b|x.wav|d"], "cannot name a file"),
        (["a|b|x.wav|d|x.wav", "b|b|x.wav|d"], "recordings for 1 of 2"),
        ([], "has 0 tasks"),
    ],
)
def test_bad_lists_are_refused(recipe, tmp_path, lines, message):
    (tmp_path / "x.wav").touch()
    (tmp_path / "meta.lst").write_text("\n".join(lines))
    with pytest.raises(ValueError, match=message):
        recipe.read_tasks(tmp_path / "meta.lst")


def test_written_lists_can_be_read(recipe, tmp_path):
    """Also with characters that Unicode calls line separators."""
    from seed_tts import write_tasks

    path = tmp_path / "lists" / "meta.lst"
    row = ["a", "One\u2028two.", "x.wav", "Three\x85four."]
    write_tasks(path, [row])
    (path.parent / "x.wav").touch()
    [task] = recipe.read_tasks(path)
    assert [task.name, task.prompt_text, "x.wav", task.text] == row
    for field in range(4):
        for broken in ("b|c", "b\nc"):
            bad = row[:field] + [broken] + row[field + 1 :]
            with pytest.raises(ValueError, match="a bar or a line break"):
                write_tasks(path, [bad])
    assert len(recipe.read_tasks(path)) == 1


def test_lists_of_other_encodings(recipe, tmp_path):
    (tmp_path / "x.wav").touch()
    path, line = tmp_path / "meta.lst", "a|b|x.wav|caf\u00e9\n"
    path.write_bytes(line.encode("utf-8-sig"))
    [task] = recipe.read_tasks(path)
    assert task.name == "a"  # without the byte order mark
    path.write_bytes(line.encode("latin-1"))
    with pytest.raises(ValueError, match="meta.lst, line 1, holds the byte"):
        recipe.read_tasks(path)


def test_list_from_a_manifest(recipe, tiny_corpus, tmp_path, capsys):
    """Prompts and targets have the same speaker and different sentences."""
    import make_list

    def written(name, **options):
        options = {"data_folder": tiny_corpus, "shortest": 0.1, **options}
        make_list.main(
            tiny_corpus / "train.csv",
            tmp_path / "lists" / name,
            **{"longest": 9.0, "targets": 2, "seed": 0, **options},
        )
        return recipe.read_tasks(tmp_path / "lists" / name)

    with open(tiny_corpus / "train.csv", newline="") as file:
        rows = {row["ID"]: row for row in csv.DictReader(file)}
    tasks = written("one.lst")
    for task in tasks:
        prompt, target = (rows[name] for name in task.name.split("-"))
        assert prompt["spk_id"] == target["spk_id"]
        assert task.prompt_text == prompt["wrd"] != target["wrd"] == task.text
        assert task.recording.samefile(
            target["wav"].replace("$data_root", str(tiny_corpus))
        )
    assert len(tasks) >= 6
    assert "read 12 clips = used" in capsys.readouterr().out
    assert [t.name for t in written("two.lst")] == [t.name for t in tasks]
    other = written("three.lst", seed=1)
    assert [t.name for t in other] != [t.name for t in tasks]
    few = written("five.lst", tasks=3)
    assert {t.name for t in few} < {t.name for t in tasks}
    assert len({t.text for t in few}) == 3
    with pytest.raises(ValueError, match="99 tasks are wanted; there are"):
        written("six.lst", tasks=99)
    with pytest.raises(ValueError, match="no speaker with a clip of 50"):
        written("four.lst", shortest=50.0, longest=60.0)


def test_list_of_sentences_in_the_default_voice(
    recipe, tiny_corpus, tiny_speech_folder, tmp_path, capsys
):
    import own_voice_list

    def written(**options):
        path = tmp_path / "lists" / "own.lst"
        options = {"data_folder": tiny_corpus, "shortest": 1, **options}
        options = {"source": "gogo-mini", "longest": 99, "seed": 0, **options}
        options.setdefault("tasks", None)
        own_voice_list.main(tiny_corpus / "train.csv", path, **options)
        return recipe.read_tasks(path)

    with open(tiny_corpus / "train.csv", newline="") as file:
        said = {row["ID"]: row["wrd"] for row in csv.DictReader(file)}
    tasks = written()
    assert "read 12 clips = used" in capsys.readouterr().out
    assert sorted(task.text for task in tasks) == sorted(set(said.values()))
    for task in tasks:
        assert said[task.name] == task.text and task.recording is None
        assert task.prompt_wav.name == "voice.flac"
        assert task.prompt_text.startswith("The added weight")
    assert [t.name for t in written(seed=1)] != [t.name for t in tasks]
    assert written(tasks=2) == tasks[:2]
    with pytest.raises(ValueError, match="are wanted"):
        written(tasks=99)
    with pytest.raises(ValueError, match="no voice of its own"):
        written(source=str(tiny_speech_folder))


def test_recordings_decoded_by_parts_of_the_model(
    recipe, speech, tiny_speech_folder, tiny_tasks, tmp_path, capsys
):
    import ceilings

    given = tiny_tasks, tmp_path, str(tiny_speech_folder), [10, 3, 3]
    ceilings.main(*given, dry_run=True)
    assert "audio files\n  source" in capsys.readouterr().out
    ceilings.main(*given)
    told = capsys.readouterr().out
    codec = speech.codec
    for task in recipe.read_tasks(tiny_tasks):
        tokens, count = ceilings.encode_recording(codec, task.recording)
        heard = {
            path.parent.name: soundfile.read(path, dtype="float32")[0]
            for path in tmp_path.glob(f"*/{task.name}.wav")
        }
        assert sorted(heard) == ["completed", "keep_10", "keep_3"]
        for kept in (3, 10):
            wavs, _ = codec.decode_batch(
                tokens[None], keep=kept, num_samples=count
            )
            there = torch.from_numpy(heard[f"keep_{kept}"])
            wanted = wavs[0].clamp(-1, 1)
            torch.testing.assert_close(there, wanted, atol=1e-4, rtol=0)
        assert len(heard["completed"]) == count
        for other in ("keep_3", "keep_10"):
            assert abs(heard["completed"] - heard[other]).max() > 1e-3
    assert f"'recordings, 3 tokens': {tmp_path}/keep_3" in told

    # What it makes of a backbone is what GogoSpeech made of it.
    said = speech.clone_voice(
        "So", task.prompt_wav, task.prompt_text, allocate=False, seed=4
    )
    prompt = ceilings.read_prompt(codec, task.prompt_wav)
    [line] = make_utterances("So", task.prompt_text, prompt, 4, speech)
    seed = 2 * line.seed + 1  # of Stage II
    sampler = ceilings.Sampler([seed], **speech.hparams.sampling)
    found = ceilings.complete(
        speech.mods["stage2"], prompt, said.tokens[:, :3], sampler
    )
    assert torch.equal(found, said.tokens)

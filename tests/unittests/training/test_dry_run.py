"""What a dry run says of data that is not as it should be."""

from recipes.common.dry_run.inputs import find_inputs


def test_clips_that_are_missing_are_counted_by_reason(tmp_path):
    (tmp_path / "a.wav").touch()
    (tmp_path / "train.csv").write_text(
        "ID,duration,wav,wrd\n"
        "a,7.2,$data_root/a.wav,Yes.\n"
        "b,7.2,$data_root/b.wav,No.\n"
        "c,0.1,$data_root/a.wav,No.\n"
    )
    (tmp_path / "dev-clean" / "1").mkdir(parents=True)
    (tmp_path / "dev-clean" / "1" / "x.wav").touch()
    settings = {
        "data_folder": str(tmp_path),
        "train_csv": str(tmp_path / "train.csv"),
        "valid_csv": str(tmp_path / "valid.csv"),
        "valid_splits": ["dev-clean"],
        "test_csv": str(tmp_path / "test.csv"),
        "test_splits": ["test-clean"],
        "min_seconds": 1.0,
        "max_seconds": 20.0,
        "source": "gogo-mini",
        "start_from": "somebody/else",
    }
    found = {each.name: each for each in find_inputs(settings)}
    train = found["train_csv"]
    assert "used 1 + skipped 2 (missing file: 1, not 1 to 20 s" in train.text
    assert train.hours == 7.2 / 3600 and not train.missing
    assert "dev-clean: 1 wav files" in found["valid_csv"].text
    missing = [name for name, each in found.items() if each.missing]
    assert missing == ["test_csv"]  # no such split
    assert "a folder of" in found["source"].text
    assert "looked for on the hub" in found["start_from"].text


def test_tokens_and_tars_that_are_not_there(tmp_path):
    settings = {
        "train_tokens": [str(tmp_path)],
        "train_shards": str(tmp_path),
        "valid_shards": str(tmp_path),
    }
    tokens, shards = find_inputs(settings)
    assert tokens.missing and "no corpus.json" in tokens.text
    assert shards.missing and "No tar file" in shards.text


def test_tars_that_are_too_few_for_the_workers(tmp_path):
    for number in range(4):
        (tmp_path / f"{number}.tar").touch()
    settings = {
        "train_shards": str(tmp_path),
        "valid_shards": str(tmp_path / "0.tar"),
        "epoch_batches": 10,
        "num_workers": 1,
    }
    train, valid = find_inputs(settings)
    assert "3 tars" in train.text and not train.missing
    assert "at most 3 processes of 1 workers" in train.text
    assert "1 tars" in valid.text and not valid.missing
    train, _ = find_inputs({**settings, "num_workers": 4})
    assert train.missing

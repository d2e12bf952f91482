"""Batches of Emilia shards: splits, order, resuming, ranks."""

import pytest
from emilia_tars import clip, make_loader, write_tar
from speechbrain.utils.checkpoints import Checkpointer

from speechbrain_gogo.dataio.report import ClipReport
from speechbrain_gogo.dataio.shards.tars import find_shards, find_splits
from speechbrain_gogo.dataio.text.tokenizers import train_tokenizer


@pytest.fixture
def folder(tmp_path):
    """Four shards of 5 to 8 clips of 1 to 1.7 seconds."""
    for shard in range(4):
        members = []
        for n in range(5 + shard):
            seconds = 1 + 0.1 * n
            members += clip(f"EN_B{shard}_W{n}", seconds)
        members += clip(f"EN_B{shard}_bad", language="de")
        write_tar(tmp_path / "EN" / f"EN-B{shard}.tar", members)
    return tmp_path


def ids(batches):
    return [tuple(batch.id) for batch in batches]


def test_find_shards(folder, monkeypatch):
    shards = sorted(str(path) for path in folder.rglob("*.tar"))
    assert find_shards(folder) == shards
    assert find_shards(f"{folder}/*/*.tar") == shards
    assert find_shards(f"{folder}/EN/EN-B{{0..3}}.tar") == shards
    assert find_shards([shards[2], folder]) == [shards[2], *shards[:2]] + [
        shards[3]
    ]
    with pytest.raises(ValueError, match="EN-B4.tar"):
        find_shards(f"{folder}/EN/EN-B{{0..4}}.tar")
    splits = find_splits(folder, [shards[1], shards[0]])
    assert splits == {"train": shards[2:], "valid": shards[1::-1]}
    monkeypatch.chdir(folder.parent)
    around = f"{folder.name}/../{folder.name}"
    assert find_splits(around, shards[1])["valid"] == [shards[1]]
    assert len(find_splits(around, shards[1])["train"]) == 3
    assert len(find_shards([folder, around])) == 4
    (folder / "EN" / "folder.tar").mkdir()
    assert find_shards(folder) == find_shards(f"{folder}/EN/*") == shards
    with pytest.raises(ValueError, match="No tar file at"):
        find_shards(f"{folder}/E*")


def test_batches_are_bounded_and_complete(folder):
    loader = make_loader(folder, 99, training=False, max_batch_size=3)
    for _ in range(2):  # every epoch starts anew
        batches = list(loader)
        for batch in batches:
            padded = batch.sig.data.shape[1] / 24000 * len(batch)
            assert padded <= 4 + 1e-6 and len(batch) <= 3
        names = [name for batch in batches for name in batch.id]
        assert len(names) == len(set(names)) == 5 + 6 + 7 + 8
    assert loader.report == {"used": 52, "other language": 8}


def test_order_depends_on_seed_and_pass(folder):
    one, two = make_loader(folder, 20), make_loader(folder, 20)
    first = ids(one)
    assert ids(two) == first
    assert ids(one) != first
    assert ids(make_loader(folder, 20, seed=2)) != first


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("stops", [(3, 6), (5, 13)])
@pytest.mark.parametrize("mixed_shards", [1, 3])
def test_resumes_with_the_same_order_and_counts(
    folder, tmp_path, num_workers, stops, mixed_shards
):
    """Stops in an epoch, at its end, and a second time, two passes long."""
    settings = {"num_workers": num_workers, "mixed_shards": mixed_shards}
    whole = make_loader(folder, **settings)
    expected = [name for _ in range(5) for name in ids(whole)]
    seen = []
    for stop in (*stops, len(expected)):
        loader = make_loader(folder, **settings)
        checkpointer = Checkpointer(tmp_path / "save", {"dataloader": loader})
        checkpointer.recover_if_possible()
        while len(seen) < stop:
            for batch in loader:
                seen.append(tuple(batch.id))
                if len(seen) == stop:
                    break
        checkpointer.save_checkpoint(end_of_epoch=stop % 5 == 0)
    assert seen == expected
    assert loader.report == whole.report


def test_resumes_after_the_last_batch_of_a_single_shard(folder, tmp_path):
    """The rest of that pass has no clip, which is not an error."""
    shard = folder / "EN" / "EN-B0.tar"
    last = len(list(make_loader(shard, 99, training=False)))
    loader = make_loader(shard, last)
    checkpointer = Checkpointer(tmp_path / "save", {"dataloader": loader})
    assert len(ids(loader)) == last
    checkpointer.save_checkpoint()
    after = ids(loader)
    loader = make_loader(shard, last)
    checkpointer = Checkpointer(tmp_path / "save", {"dataloader": loader})
    checkpointer.recover_if_possible()
    assert ids(loader) == after


def test_text_tokens(folder, tmp_path):
    tokenizer = train_tokenizer(["hello there"], tmp_path / "text.model", 30)
    batch = next(iter(make_loader(folder, tokenizer=tokenizer)))
    text, lens = batch.text
    assert tokenizer.decode(text[0].tolist()) == "hello there"
    assert lens.tolist() == [1.0] * len(batch)


def test_shards_are_split_over_ranks(folder, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    seen = []
    for rank in "01":
        monkeypatch.setenv("RANK", rank)
        dataset = make_loader(folder).dataset
        batches = []
        for item in dataset:
            if item.position[0] > 0:  # the second pass
                break
            batches += [item.batch] if item.batch else []
        seen.append({name for batch in batches for name in batch.id})
    assert seen[0].isdisjoint(seen[1])
    assert len(seen[0] | seen[1]) == 5 + 6 + 7 + 8
    with pytest.raises(ValueError, match="4 shards .* 2 ranks x 3 workers"):
        make_loader(folder, num_workers=3)
    monkeypatch.setenv("WORLD_SIZE", "5")
    with pytest.raises(ValueError, match="Use more shards or fewer ranks"):
        make_loader(folder)


def test_other_world_size_is_refused(folder, tmp_path, monkeypatch):
    loader = make_loader(folder)
    checkpointer = Checkpointer(tmp_path / "save", {"dataloader": loader})
    next(iter(loader))
    checkpointer.save_checkpoint()
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    loader = make_loader(folder)
    checkpointer = Checkpointer(tmp_path / "save", {"dataloader": loader})
    checkpointer.recover_if_possible()  # may be for evaluation only
    with pytest.raises(ValueError, match="ranks: 1 then, 2 now"):
        next(iter(loader))


def test_restart_on_other_ranks_begins_a_new_pass(
    folder, tmp_path, monkeypatch
):
    loader = make_loader(folder)
    first = ids(loader)
    assert loader.positions[0][0] == 0
    checkpointer = Checkpointer(tmp_path / "save", {"dataloader": loader})
    checkpointer.save_checkpoint(end_of_epoch=False)

    monkeypatch.setenv("WORLD_SIZE", "2")
    seen, reports = [], []
    for rank in "01":
        monkeypatch.setenv("RANK", rank)
        loader = make_loader(folder, resume_data="restart", num_workers=2)
        checkpointer = Checkpointer(tmp_path / "save", {"dataloader": loader})
        checkpointer.recover_if_possible()
        reports.append(ClipReport(loader.report))
        assert not ids(loader)  # the epoch had all its batches
        seen.append(sum(ids(loader), ()))
        assert loader.positions[0][0] == 1
    assert reports[0].used == sum(map(len, first)) and not reports[1]
    assert set(seen[0]).isdisjoint(seen[1])
    with pytest.raises(ValueError, match="resume_data='again'"):
        make_loader(folder, resume_data="again")


def test_batches_mix_shards(folder):
    def origins(**settings):
        loader = make_loader(
            folder, 6, batch_seconds=9, buffer_size=99, **settings
        )
        return [{name[:5] for name in batch} for batch in ids(loader)]

    assert all(len(shards) == 1 for shards in origins())
    assert max(map(len, origins(mixed_shards=4))) > 2
    assert origins(mixed_shards=4, training=False) == origins(training=False)


def test_ranks_split_a_validation_shard(folder, monkeypatch):
    shard = folder / "EN" / "EN-B3.tar"
    settings = {"training": False, "split_batches": True, "batch_seconds": 2}
    monkeypatch.setenv("WORLD_SIZE", "3")
    seen, report = [], ClipReport()
    for rank in "012":
        monkeypatch.setenv("RANK", rank)
        loader = make_loader(shard, 99, **settings)
        seen.append(sum(ids(loader), ()))
        report += loader.report
    assert all(seen) and len(sum(seen, ())) == len(set(sum(seen, ()))) == 8
    assert report == {"used": 8, "other language": 1}
    assert len(make_loader(shard, 7, **settings)) == 2  # of 7 the last rank's
    monkeypatch.setenv("WORLD_SIZE", "99")
    monkeypatch.setenv("RANK", "50")
    assert not ids(make_loader(shard, 99, **settings))


def test_no_usable_clip_is_an_error_with_reasons(folder):
    loader = make_loader(folder, language="fr")
    with pytest.raises(ValueError, match="other language: 30"):
        next(iter(loader))

"""The listening test: its page in a browser, its table."""

import json
import re

import numpy as np
import pytest
import soundfile
from scipy import stats

SYSTEMS = "Alpha TTS", "Beta TTS"
RATE = 24000


@pytest.fixture
def scripts(scripts_of):
    """The recipe's scripts, importable."""
    scripts_of("SeedTTS/zero_shot")


@pytest.fixture
def written(scripts, tmp_path):
    """A test of three utterances by recordings and two systems."""
    import listening_test

    lines = []
    for n in range(4):
        tone = 0.1 * np.sin(np.arange(RATE // 2) * (n + 1) / 50)
        for name in ("prompt", "recorded", *SYSTEMS):
            folder = tmp_path / name
            folder.mkdir(exist_ok=True)
            soundfile.write(folder / f"utterance{n}.wav", tone, RATE)
        lines.append(
            f"utterance{n}|Hm.|prompt/utterance{n}.wav|Oh!|recorded/utterance{n}.wav\n"
        )
    (tmp_path / "meta.lst").write_text("".join(lines))

    def write(folder, **options):
        listening_test.main(
            tmp_path / folder,
            tmp_path / "meta.lst",
            [f"{name}={tmp_path / name}" for name in SYSTEMS],
            **{"samples": 3, "title": "Which <voice>?", **options},
        )
        key = json.loads((tmp_path / folder / "key.json").read_text())
        page = tmp_path / folder / "listening_test.html"
        return page, key

    return write


def test_page_is_blind_and_depends_on_the_seed(written):
    page, key = written("one")
    html = page.read_text()
    for name in (*SYSTEMS, "Ground truth", "recorded", "utterance"):
        assert name not in html
    assert "Which &lt;voice&gt;?" in html
    assert not re.search(r"(src|href)=\"|https?:", html)  # self-contained
    data = json.loads(
        re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1]
    )
    kinds = [item["kind"] for item in data["items"]]
    assert (kinds.count("smos"), kinds.count("cmos")) == (9, 6)
    assert all(set(item) == {"id", "kind", "audio"} for item in data["items"])
    assert key["reference"] == "Ground truth"
    again, other = written("two")[1], written("three", seed=1)[1]
    assert again == key and other["test"] != key["test"]
    for system in SYSTEMS:
        first = [
            item["reference_first"]
            for item in key["items"].values()
            if item["system"] == system and item["kind"] == "cmos"
        ]
        assert sorted(first) in ([False, False, True], [False, True, True])
    page, _ = written("four", embed=False)
    assert len(list(page.parent.glob("audio/*.flac"))) == 3 * 4
    assert page.stat().st_size < 50_000
    with pytest.raises(ValueError, match="the reference is Gamma"):
        written("five", reference="Gamma")


def wait_for(browser, condition):
    """Wait until a line of JavaScript is true."""
    from selenium.common.exceptions import TimeoutException
    from selenium.webdriver.support.ui import WebDriverWait

    try:
        WebDriverWait(browser, 60, 0.05).until(
            lambda browser: browser.execute_script(f"return {condition};")
        )
    except TimeoutException:
        state = browser.execute_script(
            "return {place, heard: [...heard], hidden: document.hidden, "
            "warning: $('warning').textContent, sounds: "
            "[...document.querySelectorAll('audio')].map((audio) => "
            "[audio.paused, audio.readyState, audio.currentTime])};"
        )
        pytest.fail(f"never came true: {condition}; the page: {state}")


def press(browser, *keys):
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(browser, duration=0).send_keys(*keys).perform()


def rate(browser, digit):
    """One item by keyboard alone: listen, rate, go on."""
    names = browser.execute_script("return kinds[order[place].kind].keys")
    before = browser.execute_script("return place")
    for count, name in enumerate(names, 1):
        press(browser, name)
        wait_for(browser, f"heard.size === {count}")
    press(browser, digit, "\ue007")  # Enter
    wait_for(browser, f"place === {before + 1}")


def test_rating_by_keyboard_in_a_browser(written, browser, tmp_path):
    page, key = written("one", samples=1)
    import listening_results

    browser.get(page.as_uri())
    browser.find_element("id", "rater").send_keys("r-1")
    press(browser, "\ue007")
    wait_for(browser, "order.length === 5 && !document.hidden")
    heading = browser.switch_to.active_element
    assert heading.text == "How similar are the two voices?"

    def warning():
        return browser.find_element("id", "warning").text

    press(browser, "\ue007")
    assert warning() == "Please listen to Prompt and Sample first."
    rate(browser, "2")
    # Two keys before the first sound has started: the last one plays.
    browser.execute_script(
        "for (const key of 'ps') "
        "document.dispatchEvent(new KeyboardEvent('keydown', {key}));"
    )
    sounds = "document.querySelectorAll('audio')"
    wait_for(browser, f"heard.has(1) && {sounds}[1].currentTime > 0.1")
    press(browser, "p")
    wait_for(browser, "heard.size === 2")
    press(browser, "\ue007")
    assert warning() == "Please choose a rating."
    order = browser.execute_script("return order.map((item) => item.id)")

    # Closed in the middle, it continues at the same place.
    browser.get(page.as_uri())
    assert browser.find_element("id", "rater").get_property("value") == "r-1"
    browser.find_element("css selector", "#start button").click()
    wait_for(browser, "place === 1")
    assert order == browser.execute_script(
        "return order.map((item) => item.id)"
    )
    for digit in "15":
        rate(browser, digit)
    question = browser.find_element("id", "question").text
    assert question == "Which one sounds better?"
    for digit in "71":
        rate(browser, digit)
    assert browser.find_element("id", "thanks").is_displayed()
    for button in ("json", "csv"):
        browser.find_element("id", button).click()
    paths = [
        tmp_path / f"downloads/ratings_{key['test']}_r-1.{format}"
        for format in ("json", "csv")
    ]
    for path in paths:
        wait_for_file(path)
    answers = json.loads(paths[0].read_text())
    assert set(answers) == {"test", "seed", "rater", "answers"}
    assert [answer["item"] for answer in answers["answers"]] == order
    given = [answer["rating"] for answer in answers["answers"]]
    assert given == [2, 1, 5, -3, 3]
    both = [listening_results.read_ratings([path], key) for path in paths]
    assert both[0] == both[1] and len(both[0]) == 5
    assert not any(name in paths[0].read_text() for name in SYSTEMS)


def wait_for_file(path, seconds=30):
    import time

    for _ in range(int(seconds / 0.1)):
        if path.is_file():
            return
        time.sleep(0.1)
    raise AssertionError(f"{path} was not downloaded")


def answer_file(folder, key, rater, rate_item):
    """Save what the page would for a rater who rates by `rate_item`."""
    answers = [
        {"item": name, "kind": item["kind"], "rating": rate_item(item)}
        for name, item in key["items"].items()
    ]
    path = folder / f"{rater}.json"
    answers = {"test": key["test"], "rater": rater, "answers": answers}
    path.write_text(json.dumps(answers))
    return path


def test_table_of_ratings(written, tmp_path):
    _, key = written("one")
    import listening_results

    # Rater n finds Alpha n / 2 better than the recordings, Beta no different.
    likes = [1, 2, 3, 1, 2, 3]

    def taste(like):
        def rate_item(item):
            if item["kind"] == "smos":
                return {"Alpha TTS": 2 + like // 2, "Beta TTS": 3}.get(
                    item["system"], 5
                )
            better = like if item["system"] == "Alpha TTS" else 0
            return better if item["reference_first"] else -better

        return rate_item

    paths = [
        answer_file(tmp_path, key, f"r{n}", taste(like))
        for n, like in enumerate(likes)
    ]
    listening_results.main(tmp_path / "one/key.json", paths)
    table = (tmp_path / "one/table6.md").read_text()
    # Student's interval and the exact test, written out.
    half = 2.5706 * np.std(likes, ddof=1) / 6**0.5
    assert f"| +2.000 ± {half:.3f} ({2 / 2**6:.2g}) |" in table
    assert "| Ground truth | 5.000 ± 0.000 | 0 (reference) |" in table
    assert "| Beta TTS | 3.000 ± 0.000 | +0.000 ± 0.000 (1) |" in table
    assert "90 ratings of 6 raters, 0 of whom" in table
    assert stats.wilcoxon(likes).pvalue == 2 / 2**6

    for change, message in (
        ({"test": "0"}, "is about the test 0"),
        ({"answers": [{"item": "i0000", "rating": 9}]}, "rating 9"),
        ({"answers": [{"item": "i0000", "rating": 4.9}]}, "rating 4.9"),
        ({"rater": "r5"}, "r5 has rated .* otherwise"),
        ({"answers": 3}, "is no answer file"),
    ):
        answers = json.loads(paths[0].read_text()) | change
        bad = tmp_path / "bad.json"
        bad.write_text(json.dumps(answers))
        with pytest.raises(ValueError, match=message):
            listening_results.read_ratings([*paths, bad], key)

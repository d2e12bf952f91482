"""A fixture of the integration tests: a browser."""

import shutil

import pytest


@pytest.fixture
def browser(tmp_path, monkeypatch):
    """Chromium without a screen, its downloads in tmp_path/downloads."""
    webdriver = pytest.importorskip("selenium.webdriver")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    if not (program and driver):
        pytest.skip("no browser: install chromium and chromium-driver")
    monkeypatch.setenv("SE_AVOID_STATS", "true")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (
        "headless=new",
        "no-sandbox",
        "disable-gpu",
        "disable-dev-shm-usage",  # it is small in containers
        "mute-audio",
        "use-fake-device-for-media-stream",  # a microphone that beeps
        "use-fake-ui-for-media-stream",
    ):
        options.add_argument(f"--{flag}")
    options.add_argument(f"--user-data-dir={tmp_path / 'profile'}")
    folder = str(tmp_path / "downloads")
    options.add_experimental_option(
        "prefs", {"download.default_directory": folder}
    )
    service = webdriver.ChromeService(driver)
    browser = webdriver.Chrome(options, service)
    yield browser
    browser.quit()

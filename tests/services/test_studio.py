"""``datapkg studio`` in Chromium, as a person sees it; needs the programs ``chromium`` and ``chromedriver``.

``python tests/services/test_studio.py FILE.png`` takes the picture that stands in docs/studio.md.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

import datapkg
from datapkg import accounts, audit, flags
from datapkg.kit.database import current
from datapkg.testing import factories

pytestmark = pytest.mark.services

LARGEST_PICTURE = 150_000


@contextmanager
def served(*args, folder=None):
    """Run the command as a process; yield where it serves."""
    command = [sys.executable, "-m", "datapkg", *args, "--port", "0", "--no-browser", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder)
    try:
        yield json.loads(process.stdout.readline())["url"]
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.communicate()


@contextmanager
def chromium():
    """A headless Chromium; its logs tell what pages ask for and complain of."""
    programs = [shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")]
    if None in programs:
        pytest.fail("There is no chromium on this machine; install the packages chromium and chromium-driver.")
    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "hide-scrollbars", "window-size=1200,900"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(programs[1]))
    driver.set_window_size(1200, 900)
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture(scope="module")
def browser():
    """One browser for all tests of this module."""
    with chromium() as driver:
        yield driver


def open_definition(driver, url):
    """Click from the first page through a table to a row with a document."""
    driver.get(url)
    driver.find_element(By.LINK_TEXT, "definitions").click()
    driver.find_element(By.CSS_SELECTOR, "td.col-id a").click()
    return driver.find_element(By.CSS_SELECTOR, "pre.studio-json").text


def take_picture(driver, url, path):
    """Take the picture of the documentation: a row with its document."""
    open_definition(driver, url)
    driver.save_screenshot(str(path))
    assert Path(path).stat().st_size < LARGEST_PICTURE


def post(driver, url, **values):
    """Let the page that is open post a form; return the status."""
    script = """
        const [url, values, done] = arguments;
        fetch(url, {method: "POST", body: new URLSearchParams(values)}).then(answer => done(answer.status));
    """
    return driver.execute_async_script(script, url, values)


def messages(driver):
    """What the page says in its coloured boxes and beside its inputs."""
    boxes = driver.find_elements(By.CSS_SELECTOR, ".alert, .invalid-feedback")
    return " ".join(box.text for box in boxes)


@pytest.fixture
def secrets(db, datapkg_url):
    """A database with the demo and a user; the texts that no page may hold."""
    datapkg.seed(profile="demo")
    user = factories.make_user(email="ann@example.com", password="correct horse battery")
    made = factories.make_session(user_id=user.id)
    held = current().fetch("SELECT password_hash FROM users WHERE password_hash IS NOT NULL", ())
    held += current().fetch("SELECT token_hash FROM sessions", ())
    return [made.token, *(row[0] for row in held)]


@pytest.mark.datapkg_commits
def test_looking_in_a_browser(secrets, datapkg_url, browser, tmp_path):
    """A table, a row, its document, a reference, a filter; no secret, nothing from elsewhere, no write."""
    with served("--database", datapkg_url, "studio") as url:
        browser.get_log("performance")
        text = open_definition(browser, url)
        assert '\n  "schema_version": 1' in text and [each["name"] for each in json.loads(text)["dimensions"]]
        assert "read-only" in browser.find_element(By.TAG_NAME, "body").text
        browser.get(f"{url}table_runs/")
        browser.find_element(By.CSS_SELECTOR, "td.col-definition a").click()
        assert "table_definitions/details" in browser.current_url
        browser.get(f"{url}table_users/?search=ann")
        sources = [browser.page_source]
        browser.find_element(By.CSS_SELECTOR, "td.col-id a").click()
        sources.append(browser.page_source)
        assert "ann@example.com" in sources[0] and "ann@example.com" in sources[1]
        for page in ("sessions", "api_keys", "verification_tokens", "audit_logs"):
            browser.get(f"{url}table_{page}/")
            sources.append(browser.page_source)
        assert [secret for secret in secrets if any(secret in source for source in sources)] == []
        browser.get(f"{url}table_feature_flags/")
        browser.find_element(By.LINK_TEXT, "Add Filter").click()
        browser.find_element(By.CSS_SELECTOR, ".field-filters .filter").click()
        WebDriverWait(browser, 20).until(lambda page: page.find_elements(By.CSS_SELECTOR, "table.filters tr"))
        flag = flags.list_flags()[0]
        edit = f"{url}table_feature_flags/edit/?id={flag.id}"
        assert post(browser, edit, value_enabled="true") == 403
        browser.get(edit)
        assert browser.current_url == f"{url}table_feature_flags/"
        take_picture(browser, url, tmp_path / "studio.png")
        events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
        asked = {each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"}
        assert f"{url}static/studio.css" in asked
        assert {each for each in asked if not each.startswith((url, "data:"))} == set()
        complaints = [entry["message"] for entry in browser.get_log("browser")]
        # The refused form, and links to javascript:void(0), which do nothing when they are blocked either.
        assert [each for each in complaints if "403" not in each and "JavaScript URL" not in each] == []
    assert flags.list_flags()[0] == flag


@pytest.mark.datapkg_commits
def test_editing_in_a_browser(secrets, datapkg_url, browser):
    """A value is edited, a wrong one refused with what is wrong beside it; a gated table offers nothing."""
    flag = flags.set_flag("switch", enabled=False, description="before")
    user = factories.make_user(email="old@example.com", name="Line one\nLine two\rand a half")
    rubric = current().fetch("SELECT id FROM rubrics", ())[0][0]
    with served("--database", datapkg_url, "studio", "--write") as url:
        browser.get(f"{url}table_feature_flags/?search=switch")
        browser.find_element(By.CSS_SELECTOR, "a[title='Edit Record']").click()
        Select(browser.find_element(By.NAME, "value_enabled")).select_by_visible_text("true")
        field = browser.find_element(By.NAME, "value_description")
        field.clear()
        field.send_keys("after")
        browser.find_element(By.CSS_SELECTOR, "input[type=submit]").click()
        assert "successfully saved" in messages(browser)
        stored = flags.get_flag("switch")
        assert (stored.enabled, stored.description) == (True, "after")
        assert audit.list_entries(action="studio_edit")[0].entity_id == str(flag.id)
        browser.get(f"{url}table_users/edit/?id={user.id}")
        field = browser.find_element(By.NAME, "value_email")
        field.clear()
        field.send_keys("new@example.com")
        browser.find_element(By.CSS_SELECTOR, "input[type=submit]").click()
        stored = accounts.get_user(user.id)
        assert (stored.email, stored.name) == ("new@example.com", user.name)
        browser.get(f"{url}table_feature_flags/edit/?id={flag.id}")
        browser.find_element(By.NAME, "value_rollout_percentage").send_keys("150")
        token = browser.find_element(By.NAME, "csrf_token").get_attribute("value")
        browser.find_element(By.CSS_SELECTOR, "input[type=submit]").click()
        assert "Nothing was written" in messages(browser) and "100" in messages(browser)
        assert browser.find_element(By.NAME, "value_rollout_percentage").get_attribute("value") == "150"
        assert flags.get_flag("switch").rollout_percentage is None
        browser.get(f"{url}table_rubrics/details/?id={rubric}")
        assert browser.find_elements(By.LINK_TEXT, "Edit") == []
        assert post(browser, f"{url}table_rubrics/edit/?id={rubric}", csrf_token=token, value_name="forged") == 403
        browser.get_log("browser")


def main(path):
    """Take the picture for the documentation, on a new database with the demo."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "datapkg", "seed", "--profile", "demo"], cwd=folder, check=True)
        with served("studio", folder=folder) as url, chromium() as driver:
            take_picture(driver, url, path)


if __name__ == "__main__":
    os.environ.pop("DATABASE_URL", None)
    main(os.path.abspath(sys.argv[1]))

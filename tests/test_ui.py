"""The example as people see it: materialized, in Dagster's web UI, in a real browser.

With `SCREENSHOTS=FOLDER` the pictures of the README are taken on the way.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

EXAMPLE = Path(__file__).parents[1] / "examples" / "portrait_gallery"
SCREENSHOTS = os.environ.get("SCREENSHOTS")
# A browser that looks for updates only waits for them where there is no network.
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a headless Chromium; without one the tests are left out, except under CI."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None and "CI" in os.environ:
        pytest.fail("Chromium is missing. Under CI the tests in a browser must run.")
    if path is None:
        pytest.skip("Chromium is missing, so the tests in a browser are left out.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the example's job twice, and serve what Dagster has to show of it."""
    home = tmp_path_factory.mktemp("home")
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(home),
        "PORTRAIT_GALLERY_DATA": str(home / "data"),
        "PORTRAIT_GALLERY_SOURCE": "sample",
    }
    for _ in range(2):
        command = [_script("collectionflow"), "run", "collection", "--project", str(EXAMPLE)]
        subprocess.run(command, check=True, env=environment, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [
            *(_script("dagster-webserver"), "-m", "portrait_gallery.definitions"),
            *("-h", "127.0.0.1", "-p", str(port)),
        ],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    _wait_for(url, process)
    yield url
    process.terminate()
    process.wait(timeout=30)


@pytest.fixture
def page(browser: Browser, server: str) -> Iterator[Page]:
    """Return an empty page that finds the server under relative addresses."""
    context = browser.new_context(base_url=server, viewport={"width": 1500, "height": 1000})
    yield context.new_page()
    context.close()


def test_the_asset_graph_shows_the_stages(page: Page) -> None:
    page.goto("/asset-groups")
    for stage in ("harvest", "clean", "enrich", "reshape", "output"):
        expect(page.get_by_text(re.compile(f"^{stage}$")).first).to_be_visible(timeout=30_000)
    _expand_groups(page)
    for asset in ("harvested_objects", "object_documents", "objects_sitemap"):
        expect(page.get_by_text(asset).first).to_be_visible(timeout=30_000)
    _screenshot(page, "asset-graph")


def test_an_assets_page_shows_preview_chart_and_checks(page: Page) -> None:
    page.set_viewport_size({"width": 1500, "height": 1900})
    page.goto("/assets/cleaned_objects")
    metadata = page.locator("table").filter(has_text="preview")
    expect(metadata.get_by_text("object_number").first).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Row count").first).to_be_visible()
    expect(metadata.get_by_text("CleanedObjects")).to_be_visible()
    expect(metadata.get_by_text(re.compile("0 added, 0 removed"))).to_be_visible()
    _screenshot(page, "asset-page")
    page.get_by_text("[Show Markdown]").first.click()
    picture = page.locator("img[src^='data:image/svg+xml']")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.complete && image.naturalWidth > 100")
    _screenshot(page, "chart")


def test_a_checks_page_shows_counts_and_examples(page: Page) -> None:
    check = "ConstituentID_is_in_harvested_constituents"
    page.goto(f"/assets/harvested_constituent_terms?view=checks&checkDetail={check}")
    expect(page.get_by_text(re.compile("different ConstituentID")).first).to_be_visible(
        timeout=30_000
    )
    expect(page.get_by_text("failing rows").first).to_be_visible()
    _screenshot(page, "checks")


def _script(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None, "The web server ended before it answered."
        try:
            urllib.request.urlopen(f"{url}/server_info", timeout=5)
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("The web server did not answer within a minute.")


def _expand_groups(page: Page) -> None:
    page.keyboard.press("Alt+e")
    button = page.get_by_role("button", name=re.compile("Expand all", re.IGNORECASE))
    if button.count():
        button.first.click()
    page.wait_for_timeout(3_000)


def _screenshot(page: Page, name: str) -> None:
    if SCREENSHOTS:
        page.wait_for_timeout(500)
        page.screenshot(path=Path(SCREENSHOTS, f"{name}.png"))

"""A headless Chromium for tests of HTML pages, driven by Playwright: the `browser_page` fixture."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class BrowserPage:
    """One page of the browser, with what went wrong in it.

    Attributes:
        page: Playwright's page; its `evaluate`, `hover`, `click`, `keyboard` and `mouse` are all that tests need.
        complaints: Errors of scripts and of the console, dialogs, and requests to anywhere but the page itself.
    """

    def __init__(self, page: Any) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        page.on("dialog", self._dismiss)
        page.on("request", self._check_request)

    def open(self, path: Path) -> None:
        """Open a file and wait until it is loaded."""
        self.page.goto(path.resolve().as_uri())

    def _dismiss(self, dialog: Any) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _check_request(self, request: Any) -> None:
        if not request.url.startswith(("file:", "data:", "about:")):
            self.complaints.append(f"request: {request.url}")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The system's Chromium, headless; Playwright downloads none.

    It is closed with the module, since Playwright's event loop would hinder tests that run their own.
    """
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("no Chromium on this machine: install the package chromium to test pages in it")
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install playwright"
    )
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture
def browser_page(chromium: Any) -> Iterator[BrowserPage]:
    """An empty page of 1400 × 1000 pixels."""
    page = chromium.new_page(viewport={"width": 1400, "height": 1000})
    yield BrowserPage(page)
    page.close()

"""``report.html`` in headless Chromium: it fits a phone, asks for nothing, and the pictures change."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.runtime.report.made import document

from viewfinder.runtime.report.html import render

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or ""
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed (Debian: apt-get install chromium)"),
]
ASK = """
const frame = document.querySelector("iframe"), answer = {};
const inside = frame.contentDocument, view = frame.contentWindow;
const shown = () => [...inside.querySelectorAll(".frames figure")].map(f => view.getComputedStyle(f).visibility);
answer.width = view.innerWidth;
answer.scrollWidth = inside.scrollingElement.scrollWidth;
answer.images = [...inside.images].every(i => i.complete && i.naturalWidth > 0);
answer.before = shown();
inside.querySelectorAll(".viewer input")[0].click();
answer.after = shown();
answer.tables = [...inside.querySelectorAll(".scroll")].map(s => view.getComputedStyle(s).overflowX);
const labels = [...inside.querySelectorAll(".viewer > label")];
answer.small = labels.filter(label => label.getBoundingClientRect().height < 24).length;
const first = [...inside.querySelectorAll("table.pin tr > :first-child")].filter(cell => cell.offsetWidth);
answer.narrowest = Math.min(...first.map(cell => cell.offsetWidth));
answer.requests = view.performance.getEntriesByType("resource").map(entry => entry.name);
document.title = JSON.stringify(answer);
"""
"""Runs in a page around the report, because the report itself may run no script; the frame is as wide as a phone."""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the report."""
    folder = tmp_path_factory.mktemp("browser")
    path = folder / "report.html"
    path.write_text(render(document(folder, errors=True), folder / "pictures"), encoding="utf-8")
    return path


def chromium(folder: Path, address: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Open a file in headless Chromium with a profile of its own."""
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking",
        "--no-first-run", "--enable-logging=stderr", f"--user-data-dir={folder / 'profile'}", *flags, address.as_uri(),
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def framed(folder: Path, page: Path, width: int) -> Path:
    """Put the report into a frame of the given width, with the questions around it."""
    inside = html.escape(page.read_text(encoding="utf-8"))
    frame = f'<iframe style="border:0;width:{width}px;height:900px" srcdoc="{inside}"></iframe>'
    path = folder / "frame.html"
    path.write_text(
        f"<!doctype html><title>?</title><body>{frame}<script>onload=()=>{{{ASK}}}</script>", encoding="utf-8"
    )
    return path


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_the_page_fits_the_window_and_the_frames_switch(page: Path, tmp_path: Path, width: int) -> None:
    """No sideways scrolling, no request, all pictures decode, and a button shows another one, without a script."""
    ran = chromium(tmp_path, framed(tmp_path, page, width), "--dump-dom", "--window-size=1400,1000")
    answer = json.loads(html.unescape(re.search(r"<title>(.*?)</title>", ran.stdout, re.DOTALL).group(1)))  # type: ignore[union-attr]
    assert answer["width"] == width
    assert answer["scrollWidth"] <= width
    assert answer["images"]
    assert answer["before"] == ["hidden", "visible", "hidden", "hidden"]
    assert answer["after"] == ["visible", "hidden", "hidden", "hidden"]
    assert set(answer["tables"]) == {"auto"}
    assert answer["small"] == 0
    assert answer["narrowest"] >= 100  # an artifact's name is read in words, not letter by letter
    assert answer["requests"] == []


def test_no_console_message_and_a_picture_on_the_screen(page: Path, tmp_path: Path) -> None:
    """The console stays empty, where a refused request would stand, and the window is not blank."""
    shot = tmp_path / "page.png"
    ran = chromium(tmp_path, page, f"--screenshot={shot}", "--window-size=1280,900")
    assert "CONSOLE" not in ran.stderr
    assert np.asarray(Image.open(shot).convert("L")).std() > 5


def test_a_request_would_be_noticed(page: Path, tmp_path: Path) -> None:
    """The same page with a picture from elsewhere does write to the console: the test above can fail."""
    spoiled = tmp_path / "spoiled.html"
    text = page.read_text(encoding="utf-8").replace("</main>", '<img src="http://127.0.0.1:9/x.png" alt="x"></main>')
    spoiled.write_text(text, encoding="utf-8")
    assert "Content Security Policy" in chromium(tmp_path, spoiled, "--dump-dom").stderr


def test_dark_and_light_differ(page: Path, tmp_path: Path) -> None:
    """The page follows the reader's colour scheme."""
    levels = []
    for scheme in ("0", "1"):  # blink's values for dark and light
        shot = tmp_path / f"{scheme}.png"
        chromium(
            tmp_path,
            page,
            f"--blink-settings=preferredColorScheme={scheme}",
            f"--screenshot={shot}",
            "--window-size=800,600",
        )
        levels.append(float(np.asarray(Image.open(shot).convert("L")).mean()))
    dark, light = levels
    assert dark < 100
    assert light > 200

"""The page's sections for probe, bisect and repair: what they say, and that they fit a phone."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from tests.runtime.bisect import nets
from tests.runtime.probes import lifting

from viewfinder.runtime.report import document as documents
from viewfinder.runtime.report.html import render
from viewfinder.verbs.bisect import BisectRequest, bisect
from viewfinder.verbs.probe import ProbeRequest, probe

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or ""
LONG = "Sequential_of_a_converter/with_a_name_that_does_not_end"
POINTS = [
    {"why": "all 2 as w8a8", "kinds": {"a": "w8a8", "b": "w8a8"}, "size_bytes": 500_000, "integer_share": 1.0,
     "drop_db": 0.9, "drops": {"cup": 0.9}, "against_float_db": 40.0, "failed_probes": None, "misses": ["0.9 dB"]},
    {"why": "a as w8 on top", "kinds": {"a": "w8", "b": "w8a8"}, "size_bytes": 510_000, "integer_share": 0.4,
     "drop_db": 0.05, "drops": {"cup": 0.05}, "against_float_db": 50.0, "failed_probes": [], "misses": []},
]  # fmt: skip
LAYERS = [
    {"key": name, "name": LONG, "graph": "model", "kind": kind, "weights": 36_864, "macs": 9_400_000, "losses": losses}
    for name, kind, losses in (("a", "w8", {"w8": 0.01, "w8a8": 0.8}), ("b", "w8a8", {}))
]
SEARCH = {
    "budget_db": 0.1, "max_size": None, "met": True, "misses": [], "chosen": 1, "points": POINTS, "layers": LAYERS,
    "integer_share": 0.4,
}  # fmt: skip


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write one page of each verb."""
    folder = tmp_path_factory.mktemp("pages")
    lifting.write(folder / "export" / "onnx-float")
    lifting.write(folder / "export" / "onnx-w8a8", scale=lifting.COARSE)
    probe(ProbeRequest(str(folder / "export" / "onnx-w8a8"), output=folder / "probe"))
    nets.write(folder / "nets" / "onnx-float", nets.onnx_float())
    nets.write(folder / "nets" / "onnx-w8a8", nets.onnx_quantized(folder, "second"))
    nets.write_golden(folder / "nets")
    bisect(BisectRequest(folder / "nets", to_precision="w8a8", output=folder / "bisect"))
    made = documents.read(folder / "probe")
    searched = replace(made, sections=(replace(made.sections[0], search=SEARCH),))
    (folder / "repair").mkdir()
    (folder / "repair" / "report.html").write_text(render(searched, folder / "probe" / "pictures"), encoding="utf-8")
    return {name: folder / name / "report.html" for name in ("probe", "bisect", "repair")}


def text_of(page: Path) -> str:
    """Return the words of a page."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page.read_text(encoding="utf-8"))))


def test_charts_stand_with_what_failed_first(pages: dict[str, Path]) -> None:
    """The failed charts come before those that pass, and the summary counts the numbers that hold."""
    page = pages["probe"].read_text(encoding="utf-8")
    verdicts = re.findall(r'<h3 id="charts-[^"]*">[^<]*<span class="verdict (\w+)', page)
    assert len(verdicts) == 8
    assert verdicts == sorted(verdicts)  # fail, then pass
    assert "10 of 17 hold" in text_of(pages["probe"])


def test_a_parting_is_told_with_its_table(pages: dict[str, Path]) -> None:
    """The headline names the operator; the table marks it once."""
    assert "onnx-w8a8 parts at Conv conv_second in model" in text_of(pages["bisect"])
    assert pages["bisect"].read_text(encoding="utf-8").count('class="parts"') == 1


def test_a_search_is_drawn_with_its_budget(pages: dict[str, Path]) -> None:
    """Every candidate is a dot in both pictures, the chosen one apart; layers say what they became and what it cost."""
    page, text = pages["repair"].read_text(encoding="utf-8"), text_of(pages["repair"])
    assert page.count('<circle class="misses"') == page.count('<circle class="chosen"') == 2
    assert "2 artifacts built and measured; the cheapest that meets the budget and the probes: 510.00 kB" in text
    assert "8-bit weights 0.010 dB 0.800 dB 36 864 9.40 M" in text


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed (Debian: apt-get install chromium)")
@pytest.mark.parametrize("name", ["probe", "bisect", "repair"])
def test_the_page_fits_a_phone_and_a_desk(pages: dict[str, Path], tmp_path: Path, name: str) -> None:
    """Nothing scrolls sideways at 390 and 1280 pixels, every picture decodes, and no table's cells overlap."""
    inside = html.escape(pages[name].read_text(encoding="utf-8"))
    frames = "".join(
        f'<iframe style="border:0;width:{width}px;height:900px" srcdoc="{inside}"></iframe>' for width in (390, 1280)
    )
    ask = """
    document.title = JSON.stringify([...document.querySelectorAll("iframe")].map(frame => {
      const inside = frame.contentDocument, wide = cell => cell.scrollWidth > cell.clientWidth + 1;
      return [frame.contentWindow.innerWidth, inside.scrollingElement.scrollWidth,
              [...inside.images].every(one => one.complete && one.naturalWidth > 0),
              [...inside.querySelectorAll("tbody th")].filter(wide).length];
    }));
    """
    path = tmp_path / "frames.html"
    path.write_text(f"<!doctype html><title>?</title><body>{frames}<script>onload=()=>{{{ask}}}</script>")
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
        f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1800,1000", "--dump-dom", path.as_uri(),
    ]  # fmt: skip
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = json.loads(html.unescape(re.search(r"<title>(.*?)</title>", ran.stdout, re.DOTALL).group(1)))  # type: ignore[union-attr]
    for width, scroll, decoded, overlapping in found:
        assert scroll <= width
        assert decoded
        assert overlapping == 0


def test_many_artifacts_share_chart_and_float(pages: dict[str, Path]) -> None:
    """Of four artifacts only the first shows chart and float, so that the page stays small; three show all."""
    folder = pages["probe"].parent
    made = documents.read(folder)
    first = made.sections[0]
    several = [replace(first, report=replace(first.report, artifact=f"onnx-{place}")) for place in ("a", "b", "c", "d")]
    pictures = [
        render(replace(made, sections=tuple(several[:count])), folder / "pictures").count("data:image/")
        for count in (3, 4)
    ]
    assert pictures == [3 * 8 * 4, 8 * 4 + 3 * 8 * 2]

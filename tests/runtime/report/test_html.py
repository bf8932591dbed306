"""``report.html`` as text: whole, escaped, and without a single request to anywhere."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.runtime.report.made import NAME, document

from viewfinder.measurement import Evidence, Measurement
from viewfinder.runtime.report import words
from viewfinder.runtime.report.html import MAX_PHOTOGRAPHS, render
from viewfinder.verbs.report import report


class Page(HTMLParser):
    """Collects what the tests ask about."""

    def __init__(self, text: str) -> None:
        """Read the page."""
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        self.text += f" {data}"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Render the report."""
    folder = tmp_path_factory.mktemp("report")
    return render(document(folder), folder / "pictures")


def test_the_summary_tells_verdicts_limits_evidence_and_reasons(page: str) -> None:
    """The outcome of each artifact, its numbers beside their limits, and why something did not run, are there."""
    text = re.sub(r"\s+", " ", Page(page).text)
    assert "1 of 3 artifacts passed every limit, 1 failed, 1 could not be verified here, on 1 photograph." in text
    assert "120.0 dB" in text
    assert "≥ 80 dB" in text
    assert "op wibble is not known" in text
    assert "fake, measured" in text
    assert "1.23 MB" in text
    assert "d" * 64 in text


def test_nothing_is_requested_and_nothing_runs(page: str) -> None:
    """No script; every picture is a data URI; no address of anything outside stands in an attribute or the style."""
    found = Page(page).tags
    assert not [tag for tag, _ in found if tag in {"script", "iframe", "object", "embed"}]
    for tag, attributes in found:
        assert not [key for key in attributes if key.startswith("on")]
        for key in ("src", "href"):
            value = attributes.get(key)
            assert value is None or value.startswith(("data:", "#")), (tag, value)
    assert not re.search(r"url\(|@import|https?://", page)
    assert "default-src 'none'" in page


def test_names_from_files_are_escaped(page: str) -> None:
    """A photograph's name cannot write HTML."""
    assert "cup <b>" not in page
    assert "cup &lt;b&gt;&amp;" in page


def test_every_picture_has_words_and_every_control_a_label(page: str) -> None:
    """Pictures have alt texts, radio buttons labels, tables heads; ids are unique."""
    found = Page(page).tags
    assert all(attributes.get("alt") for tag, attributes in found if tag == "img")
    radios = {attributes["id"] for tag, attributes in found if tag == "input"}
    assert radios == {attributes["for"] for tag, attributes in found if tag == "label"}
    ids = [attributes["id"] for _, attributes in found if "id" in attributes]
    assert len(ids) == len(set(ids))
    frames = [
        attributes["alt"] for tag, attributes in found if tag == "img" and "wide" in (attributes.get("class") or "")
    ]
    assert frames == [f"{NAME}: {label}" for label in ("Input", "PyTorch", "ONNX float", "TFLite w8a8")]


def test_captions_state_factor_scale_and_place(page: str) -> None:
    """The amplified difference says its factor, the map its scale, the crop its coordinates."""
    text = re.sub(r"\s+", " ", Page(page).text)
    assert "Difference × 256" in text
    assert re.search(r"The 128 × 128 pixels with the greatest mean FLIP, from column \d+, row \d+\.", text)
    assert "FLIP 0.01" in text


def test_a_picture_that_is_gone_is_said_to_be_gone(tmp_path: Path) -> None:
    """Without the pictures the numbers stay and the frames say what is missing; names cannot leave the folder."""
    made = document(tmp_path)
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"not for you")
    photo = {**made.photographs[0], "pictures": {"input": "../secret.png"}}
    text = render(replace(made, photographs=(photo,)), tmp_path / "absent")
    assert "not stored with the report" in text
    assert "120.0 dB" in text
    assert "bm90IGZvciB5b3U" not in render(replace(made, photographs=(photo,)), tmp_path / "pictures")


def test_of_many_photographs_the_worst_are_shown(tmp_path: Path) -> None:
    """More photographs than fit: those with the greatest FLIP are drawn, the others are counted."""
    made = document(tmp_path)
    names = [f"p{place}" for place in range(MAX_PHOTOGRAPHS + 3)]
    flips = {name: place / 100 for place, name in enumerate(names)}
    one = Measurement("flip_vs_float", 0.1, "1", Evidence.MEASURED, per_sample=flips)
    section = replace(made.sections[0], report=replace(made.sections[0].report, measurements=(one,)), pictures={})
    photos = tuple({**made.photographs[0], "name": name} for name in names)
    text = Page(render(replace(made, sections=(section,), photographs=photos), tmp_path / "pictures")).text
    assert "p8 " in text
    assert "other 3" in text
    assert not re.search(r"\bp0  400 × 240", re.sub(r" +", " ", text))


def test_the_report_verb_renders_again_from_the_file(tmp_path: Path) -> None:
    """report.html comes back from report.json and pictures/, byte for byte, beside it or where asked."""
    from viewfinder.runtime.report import document as documents

    _, html = documents.write(document(tmp_path), tmp_path)
    first = html.read_bytes()
    html.unlink()
    again = report(tmp_path)
    assert again.html.read_bytes() == first
    elsewhere = report(tmp_path / "report.json", tmp_path / "other.html")
    assert elsewhere.html.read_bytes() == first
    assert elsewhere.to_dict()["verdict"] == "fail"


@pytest.mark.parametrize(("value", "unit", "text"), [
    (None, "dB", "not run"), (41.26, "dB", "41.3 dB"), (0.1234, "dB", "0.123 dB"), (-0.0, "dB", "0.000 dB"),
    (0.0, "1", "0"), (3.2e-6, "1", "3.2e−6"), (0.01234, "1", "0.0123"), (2.0, "values", "2"), (1.5, "dE00", "1.5"),
])  # fmt: skip
def test_numbers_read_well(value: float | None, unit: str, text: str) -> None:
    """Enough digits and no more, a real minus sign, and no value is never a zero."""
    assert words.number(value, unit) == text


def test_titles_are_words() -> None:
    """Names of measurements become what a person would say."""
    assert words.title("psnr_vs_float_worst_db") == "PSNR against PyTorch, worst photograph"
    assert words.title("delta_e_2000_p99_vs_truth") == "ΔE2000, 99th percentile against truth"
    assert words.title("psnr_drop_vs_truth_db") == "PSNR lost against truth"
    assert words.short_title("psnr_drop_vs_truth_db") == "PSNR lost against truth, mean"
    assert words.short_title("psnr_vs_float_worst_db") == "PSNR against PyTorch"


def test_strata_stand_beside_the_photographs(tmp_path: Path) -> None:
    """A stratum's mean has a row of its own, with how many photographs it is the mean of."""
    made = document(tmp_path)
    section = made.sections[0]
    numbers = tuple(replace(one, per_stratum={"exposure=dark": 12.3}) for one in section.report.measurements)
    notes = {"strata": {NAME: "exposure=dark"}}
    section = replace(section, report=replace(section.report, measurements=numbers, notes=notes))
    text = re.sub(r"\s+", " ", Page(render(replace(made, sections=(section,)), tmp_path / "pictures")).text)
    assert "exposure dark, mean of 1 12.3 dB" in text


def test_errors_against_the_truth_stand_beside_each_other(tmp_path: Path) -> None:
    """The maps of a burst's reference frame and of PyTorch are on the page with their means; without them, nothing."""
    page = render(document(tmp_path, errors=True), tmp_path / "pictures")
    group = page.partition('<div class="errors"')[2].partition("</div>")[0]
    assert group.count("data:image/png") == 2
    told = re.findall(r"<figcaption[^>]*>([^<]*) <span[^>]*>([0-9.]+)<", group)
    assert [label for label, _ in told] == ["Input", "PyTorch"]
    assert float(told[0][1]) > float(told[1][1]) == 0
    assert 'class="errors"' not in render(document(tmp_path), tmp_path / "pictures")

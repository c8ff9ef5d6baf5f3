"""The report page: nothing that a user wrote gets out of its place, and it works in a real browser."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ssrun.analysis.comparison import comparison_in
from ssrun.analysis.document import BootstrapPair, Estimate
from ssrun.analysis.evidence import complete_runs
from ssrun.system.text import visible
from ssrun.views.figures.gallery import SPECIAL
from ssrun.views.figures.inline import ATTRIBUTES, ELEMENTS, PROPERTIES
from ssrun.views.report.page import (
    OF_PAGE,
    PAD,
    NumberCell,
    bootstrap_column,
    difference_column,
    mean_column,
    settings,
    summary,
    write_report,
)
from tests.support.hostile import STRATEGIES, TOKENS, WORDS, comparison, tables_alone
from tests.support.outcomes import compared, row

DRAWN = [name for name in OF_PAGE if name not in SPECIAL or name == "survival"]  # of a hostile comparison
VOID = {"meta", "link", "br", "img", "hr", "input"}
CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")


class Page(HTMLParser):
    """A page's elements and text; every element that is opened must be closed, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def handle_data(self, text: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.words.append(text)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return comparison(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def path(results: Path) -> Path:
    notes: list[str] = []
    written = write_report(results, tell=notes.append)
    assert (written, notes) == (results / "report.html", [])
    return written


@pytest.fixture(scope="module")
def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_hostile_text_shows_as_itself_and_makes_no_element(page: Page) -> None:
    assert {page.count("script"), page.count("style"), page.count("h1")} == {1}
    assert {page.count(tag) for tag in ("b", "i", "u", "iframe", "object")} == {0}
    said = "".join(page.words)
    for token in (*TOKENS, WORDS, "<img src=x onerror=alert(3)>", "<i>m</i>", "<u>1</u>"):
        assert visible(token) in said, token


def test_no_control_character_gets_into_the_page(text: str) -> None:
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)


def test_no_element_carries_a_style_an_event_or_an_address_outside(page: Page) -> None:
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            assert name != "style", (tag, value)
            assert not name.startswith("on"), (tag, name)
            if name in ("href", "src", "action", "xlink:href", "data"):
                assert value is not None
                assert value.startswith("#") or value == "data:,", (tag, value[:80])


def test_a_figure_holds_nothing_but_what_draws(text: str) -> None:
    figures = re.findall(r'<div class="drawn (?:wide|narrow)">(.*?)</div>', text, flags=re.DOTALL)
    assert len(figures) == 2 * len(DRAWN)
    for figure in figures:
        for tag, attributes in Page(figure).elements:
            assert tag in {name.lower() for name in ELEMENTS}
            assert attributes.keys() <= {name.lower() for name in (*ATTRIBUTES, *PROPERTIES, "role", "aria-label")}


def test_the_policy_names_the_one_style_and_the_one_script_by_digest(text: str, page: Page) -> None:
    policy = next(a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (inner,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
        assert "http" not in inner


def test_ids_are_unique_and_every_reference_has_its_target(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = {value[1:] for _, a in page.elements if (value := a.get("href")) and value.startswith("#")}
    wanted |= {value for _, a in page.elements if (value := a.get("aria-labelledby"))}
    assert wanted <= set(ids)


def test_headings_come_in_order_and_every_table_has_a_caption_and_scopes(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.count("table") == page.count("caption")
    assert all("scope" in attributes for tag, attributes in page.elements if tag == "th")


def test_everything_promised_is_on_the_page(page: Page, results: Path) -> None:
    said = "".join(page.words)
    comparison = comparison_in(results)
    parts = ("Verdicts", "Results", "Figures", "Examples, step by step", "How it was made")
    details = ("Again", "Configuration, as resolved", "Environment", "Runs", "Published", "How to read it")
    for heading in (*parts, *details):
        assert heading in said
    assert visible(f"ssrun compare {WORDS}") in said
    assert comparison.signatures["reverse"][0] in said
    assert comparison.environments[0].packages["torch"] in said
    assert "training.evaluate_every" in said
    assert "12 complete runs" in said
    assert "A second paragraph." in said
    assert "test pairs are like that" in said
    assert "parameters a model" in said
    assert "seconds of training in all" in said
    assert page.count("img") == 0
    figures = [a["id"] for tag, a in page.elements if tag == "h3" and str(a.get("id")).startswith("figure-")]
    assert figures == [f"figure-{name}" for name in DRAWN]
    walks = [a["data-strategy"] for tag, a in page.elements if tag == "table" and a.get("class") == "walk"]
    examples = sum(tag == "article" for tag, _ in page.elements)
    assert (examples > 4, walks) == (True, [*STRATEGIES] * examples)


@pytest.mark.slow
def test_the_same_results_give_the_same_page(results: Path, text: str, tmp_path: Path) -> None:
    assert write_report(results, tmp_path / "new" / "again.html").read_text(encoding="utf-8") == text


def test_without_matplotlib_the_page_is_made_without_figures_and_says_so(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    notes: list[str] = []
    bare = Page(write_report(results, tmp_path / "bare.html", notes.append).read_text(encoding="utf-8"))
    said = "".join(bare.words)
    assert notes == ["no figures: figures need matplotlib: pip install 'ssrun[plot]'"]
    assert notes[0] in said
    assert "figure-finding" not in {a.get("id") for _, a in bare.elements}
    assert "Examples, step by step" in said
    assert "Where the decoder looks" in said


def test_tables_alone_give_a_page(results: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    made = write_report(tables_alone(results, tmp_path / "tables"), tell=notes.append)
    said = "".join(Page(made.read_text(encoding="utf-8")).words)
    assert "Verdicts" in said
    assert "Examples" not in said
    assert len(notes) == 1


def test_an_interval_lies_on_the_scale_that_its_column_shares() -> None:
    ends: list[tuple[float, float | None, float | None]] = [(10, 0, 20), (90, 80, 100), (50, None, None)]
    rows = [row(f"s{mean}", bleu=Estimate(mean=mean, low=low, high=high)) for mean, low, high in ends]
    column = mean_column([*rows, row("none")], "bleu")
    assert (column.first, column.ends) == ("descending", ("0.0", "100.0"))
    assert column.cells == [
        NumberCell("10.0 ±10.0", 10, middle=13.2, left=4.0, right=22.4, best=False, zero=4.0),
        NumberCell("90.0 ±10.0", 90, middle=86.8, left=77.6, right=96.0, best=True, zero=4.0),
        NumberCell("50.0" + 6 * PAD, 50, middle=50.0, left=None, right=None, best=False, zero=4.0),
        None,
    ]


def test_numbers_stand_under_each_other_whatever_their_intervals() -> None:
    rows = [row(f"s{half}", bleu=Estimate(mean=50, low=50 - half, high=50 + half)) for half in (1, 20)]
    texts = [cell.text for cell in mean_column(rows, "bleu").cells if cell]
    assert texts == [f"50.0 {PAD}±1.0", "50.0 ±20.0"]


def test_the_bootstrap_has_its_column_where_its_note_is() -> None:
    pairs = [BootstrapPair(seed=seed, difference=1.0, p=p) for seed, p in enumerate((0.01, 0.2))]
    estimate = Estimate(mean=10.0, low=9.0, high=11.0, bootstrap=pairs)
    assert bootstrap_column([row("a"), row("b", bleu=estimate)]).cells == [None, NumberCell("1+ 0- of 2", 1.0)]


def test_a_difference_stands_beside_the_line_of_no_difference_with_its_corrected_p_where_one_can_tell() -> None:
    baseline = Estimate(mean=10.0, low=9.0, high=11.0)
    better = Estimate(
        mean=30.0, low=29.0, high=31.0, difference=20.0, difference_low=10.0, difference_high=40.0, p=0.02, p_holm=0.04
    )
    cell = NumberCell("+20.0 [+10.0, +40.0]", 20.0, middle=50.0, left=27.0, right=96.0, p="0.040", zero=4.0)
    for smallest_p, shown in ((0.02, cell), (0.1, cell._replace(p=None))):
        document = compared({"a": {"bleu": [1.0, 2.0]}}).model_copy(update={"smallest_p": smallest_p})
        column = difference_column(document, [row("a", bleu=baseline), row("b", bleu=better)], "bleu")
        assert (column.about, column.ends, column.cells) == ("from a", ("0.0", "40.0"), [None, shown])


def test_a_drawn_interval_ends_where_the_metric_does() -> None:
    (cell, other) = mean_column([row("a", bleu=Estimate(mean=50.0, low=-50.0, high=150.0)), row("b")], "bleu").cells
    assert cell == NumberCell("50.0 [0, 100]", 50.0, middle=50.0, left=4.0, right=96.0, zero=4.0)
    assert other is None


def test_settings_tell_once_what_runs_share(results: Path) -> None:
    found = {part.title: part for part in settings(complete_runs(results))}
    assert found["All runs"].fields["model.hidden"] == ["16"]
    assert found["By task"].groups == ["corpus", "reverse"]
    assert found["By task"].fields["task.name"] == ["corpus", "reverse"]
    assert found["By task"].fields["task.symbols"] == ["-", "6"]
    assert found["By strategy"].fields["strategy.schedule.name"] == ["constant", "constant", "inverse-sigmoid"]
    fields = [field for part in found.values() for field in part.fields]
    assert len(fields) == len(set(fields))
    assert not {"seed", "task.path"} & set(fields)


def test_the_summary_counts_runs_and_verdicts(results: Path) -> None:
    comparison = comparison_in(results)
    claim = comparison.claims[0]
    claims = [claim.model_copy(update={"verdict": verdict}) for verdict in ("agree", "inconclusive", "agree")]
    assert summary(comparison.model_copy(update={"claims": claims})) == (
        "3 strategies on 2 tasks, 2 seeds each: 12 complete runs. 3 claims: 2 agree, 1 inconclusive."
    )


@pytest.fixture(scope="module")
def browser(path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The page in Chromium."""
    if not (CHROMIUM.exists() and DRIVER.exists()):
        pytest.skip("no browser: install Debian's chromium and chromium-driver")
    webdriver = pytest.importorskip("selenium.webdriver", reason="no selenium: install the dev dependencies")
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        driver.get(path.as_uri())
        yield driver
    finally:
        driver.quit()


@pytest.fixture
def opened(browser: Any, path: Path) -> Any:
    """The page, fresh: a wide light screen, script on."""
    seen(browser)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    browser.get(path.as_uri())
    return browser


def seen(browser: Any, width: int = 1280, scheme: str = "light") -> None:
    """Sets the screen."""
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def column(browser: Any, number: int) -> list[str]:
    """What a column of the first table sorts by."""
    script = "return [...document.querySelector('table.numbers').tBodies[0].rows].map(r => r.cells[%d].dataset.value)"
    return list(browser.execute_script(script % number))


def test_the_console_stays_empty_and_nothing_but_the_file_is_asked_for(opened: Any) -> None:
    opened.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    assert opened.get_log("browser") == []
    assert opened.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_sorting_sorts_both_ways_and_says_so(opened: Any) -> None:
    heads = opened.find_elements("css selector", "table.numbers thead")[0].find_elements("css selector", "th")
    assert heads[2].get_attribute("aria-sort") is None
    orders = [("ascending", False), ("descending", True)]
    assert [heads[number].get_attribute("data-first") for number in (2, 4)] == ["descending", "ascending"]
    heads[2].find_element("css selector", "button").click()
    assert heads[2].get_attribute("aria-sort") == "descending"
    values = [float(value) for value in column(opened, 2)]
    assert values == sorted(values, reverse=True)
    for direction, reverse in (*orders, *orders):
        heads[4].find_element("css selector", "button").click()
        values = [float(value) for value in column(opened, 4)]
        assert values == sorted(values, reverse=reverse)
        assert heads[4].get_attribute("aria-sort") == direction
    heads[0].find_element("css selector", "button").click()
    assert column(opened, 0) == sorted(STRATEGIES)
    assert heads[4].get_attribute("aria-sort") is None
    heads[7].find_element("css selector", "button").click()
    assert column(opened, 7)[-1] is None


def test_the_explorer_steps_by_click_and_by_key(opened: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    stepper = opened.find_element("css selector", ".stepper")
    status = stepper.find_element("css selector", "[role=status]")
    back, on = stepper.find_elements("css selector", ".controls button")
    length = len(stepper.find_elements("css selector", ".strip li"))
    assert stepper.is_displayed()
    assert f"Position 1 of {length}" in status.text
    assert not back.is_enabled()
    on.click()
    assert f"Position 2 of {length}" in status.text
    for key, position in ((Keys.ARROW_RIGHT, 3), (Keys.ARROW_LEFT, 2), (Keys.END, length)):
        on.send_keys(key)
        assert f"Position {position} of {length}" in status.text
    assert not on.is_enabled()
    opened.switch_to.active_element.send_keys(Keys.HOME)
    assert f"Position 1 of {length}" in status.text
    rows = stepper.find_elements("css selector", "tbody tr")
    assert [row.find_element("css selector", "th").text for row in rows] == list(STRATEGIES)
    assert len(stepper.find_elements("css selector", "[aria-current=step]")) == 1


def test_stepping_shows_what_the_full_tables_hold(opened: Any) -> None:
    script = """
        const explorer = document.querySelector('[data-example]');
        explorer.querySelectorAll('.controls button')[1].click();
        const texts = (row, from) => [...row.cells].slice(from).map(cell => cell.textContent);
        const full = [...explorer.querySelectorAll('table.walk')].map(t => texts(t.tBodies[0].rows[1], 2));
        return [[...explorer.querySelectorAll('.now tbody tr')].map(row => texts(row, 1)), full];
    """
    now, full = opened.execute_script(script)
    assert now == full


def test_without_script_everything_is_readable(opened: Any, path: Path) -> None:
    opened.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    opened.get(path.as_uri())
    assert not opened.find_element("css selector", ".stepper").is_displayed()
    assert opened.find_elements("css selector", "th button") == []
    walks = opened.find_elements("css selector", "table.walk")
    examples = opened.find_elements("css selector", "[data-example]")
    assert len(examples) > 4
    assert len(walks) == len(examples) * len(STRATEGIES)
    assert all(example.is_displayed() for example in examples)
    opened.find_element("css selector", "[data-example] summary").click()
    assert walks[0].is_displayed()
    assert not opened.find_element("css selector", "[data-strategies]").is_displayed()
    assert "only sorting, choosing and stepping are gone" in opened.find_element("css selector", "body").text


def test_the_reader_chooses_the_example_and_the_strategies(opened: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    task = opened.find_element("css selector", "[data-task]")
    select = task.find_element("css selector", "select")
    options = [option.text for option in select.find_elements("css selector", "option")]
    examples = task.find_elements("css selector", "[data-example]")
    assert options[0] == "typical: the median error"
    assert [example.is_displayed() for example in examples] == [True] + [False] * (len(options) - 1)
    select.send_keys(Keys.ARROW_DOWN)
    assert [example.is_displayed() for example in examples[:2]] == [False, True]
    (shown,) = (example for example in examples if example.is_displayed())
    assert shown.find_element("css selector", "h4").text == options[1]
    shown.find_elements("css selector", ".controls button")[1].click()
    boxes = opened.find_elements("css selector", "[data-strategies] input")
    boxes[1].send_keys(Keys.SPACE)
    for part in ("dl [data-strategy]", "details", ".now tbody tr", ".maps figure"):
        found = shown.find_elements("css selector", part)
        assert [one.get_attribute("data-strategy") for one in found if one.is_displayed()] == [
            name for name in STRATEGIES if name != STRATEGIES[1]
        ], part
    shown.find_elements("css selector", ".controls button")[0].click()
    assert len([row for row in shown.find_elements("css selector", ".now tbody tr") if row.is_displayed()]) == 2
    boxes[1].send_keys(Keys.SPACE)
    assert len([row for row in shown.find_elements("css selector", ".now tbody tr") if row.is_displayed()]) == 3


@pytest.mark.parametrize(("width", "shown"), [(390, "narrow"), (1280, "wide")])
def test_a_narrow_screen_has_its_own_figures_that_fit(opened: Any, width: int, shown: str) -> None:
    seen(opened, width)
    for drawn in opened.find_elements("css selector", ".drawn"):
        assert drawn.is_displayed() == (shown in str(drawn.get_attribute("class")))
    wide = "return [...document.querySelectorAll('.drawn')].every(d => d.scrollWidth <= d.clientWidth)"
    assert opened.execute_script(wide)


def test_figures_follow_the_scheme_of_the_page(opened: Any) -> None:
    script = """
        const [ink, paper] = ["text[fill='#333333']", "path[fill='#ffffff']"].map(part =>
            getComputedStyle(document.querySelector('.drawn.wide ' + part)).fill);
        return [ink, paper, getComputedStyle(document.body).backgroundColor];
    """
    light = opened.execute_script(script)
    seen(opened, scheme="dark")
    dark = opened.execute_script(script)
    assert light[1] == light[2] == "rgb(255, 255, 255)"
    assert dark[1] == dark[2] == "rgb(21, 23, 28)"
    assert dark[0] != light[0]


def test_first_columns_stay_in_sight_on_a_narrow_screen(opened: Any) -> None:
    seen(opened, 390)
    script = """
        const box = document.querySelector('table.numbers').parentElement;
        box.scrollLeft = 200;
        const cells = box.querySelectorAll('tr > :first-child');
        const left = box.getBoundingClientRect().left;
        return [box.scrollLeft, ...[...cells].map(cell => cell.getBoundingClientRect().left - left)];
    """
    scrolled, *places = opened.execute_script(script)
    assert scrolled > 100
    assert all(abs(place) < 1 for place in places)


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_the_page_never_scrolls_sideways(opened: Any, width: int) -> None:
    seen(opened, width)
    opened.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    wide, screen = opened.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert wide <= screen == width


def test_print_unfolds_everything(opened: Any) -> None:
    count = "return document.querySelectorAll('details:not([open])').length"
    before = opened.execute_script(count)
    assert before > 0
    opened.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert opened.execute_script(count) == 0
    opened.execute_script("dispatchEvent(new Event('afterprint'))")
    assert opened.execute_script(count) == before


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), pytest.param(360, "light", marks=pytest.mark.slow)])
def test_axe_finds_no_fault(opened: Any, width: int, scheme: str) -> None:
    axe = importlib.util.find_spec("axe_core_python")
    if axe is None or axe.origin is None:
        pytest.skip("no axe: install axe-core-python, a dev dependency")
    seen(opened, width, scheme)
    opened.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    opened.execute_script((Path(axe.origin).parent / "axe.min.js").read_text(encoding="utf-8"))
    found = opened.execute_async_script(
        "const done = arguments[0]; axe.run(document, {resultTypes: ['violations', 'incomplete']}).then(done)"
    )
    faults = [(fault["id"], [node["html"][:200] for node in fault["nodes"]][:3]) for fault in found["violations"]]
    assert faults == []
    assert any(rule["id"] == "color-contrast" for rule in found["passes"])

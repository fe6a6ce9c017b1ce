"""The page for people, in a real browser against a real server: every part does what it says, asks nobody else, and
neither a script's error nor a breach of the content security policy goes unnoticed."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from process import Process, running
from toy import write_toy

from service.board import FILE, Board, BoardFile, Decision, Figure, Row
from service.browse import FILES
from service.keys import add_key
from service.openapi import document
from service.settings import Settings

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FIRST_LOAD_BYTES = 300_000
HOLD = """(files) => {
    const data = new DataTransfer();
    for (const bytes of files) data.items.add(new File([new Uint8Array(bytes)], "held.png", { type: "image/png" }));
    return data;
}"""
HOSTILE = "<img src=x onerror=alert(1)>.png"
FLAGS = ["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
Open = Callable[..., AbstractContextManager[Any]]

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def opened(browser: Any, server: Process) -> Open:
    """Opens a part of the page; whatever goes wrong in it, or leaves for elsewhere, fails the test at the end."""

    @contextmanager
    def run(part: str = "try", url: str = server.url, path: str = "/", **options: Any) -> Iterator[Any]:
        complaints: list[str] = []
        asked: list[str] = []
        context = browser.new_context(**options)
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.on("console", lambda told: complaints.append(told.text) if told.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{url}{path}#{part}")
        page.complaints = complaints
        yield page
        context.close()
        assert [each for each in complaints if "401" not in each] == []
        assert [each for each in asked if not each.startswith((url, f"blob:{url}", "data:", "blob:null"))] == []

    return run


def first_sample(page: Any) -> Any:
    return page.locator("#samples button:not([disabled])").first


def png(level: int, side: int = 8) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((side, side), level, np.uint8)).save(buffer, "png")
    return buffer.getvalue()


def answered(page: Any, text: str) -> None:
    page.locator("#weighed article:not(.waiting)", has_text="wide@1").wait_for()
    page.locator("#weighed article:not(.waiting) .answer", has_text=text).first.wait_for()


@pytest.fixture
def board(models: Path) -> Iterator[None]:
    """What was measured of the toys: the first bears more, the second is quicker, on the second of two machines."""
    def row(version: int, p99: float, capacity: tuple[float, float]) -> Row:
        graph = (models / "toy" / str(version) / "model.onnx").read_bytes()
        return Row(model=f"toy@{version}", sha256=hashlib.sha256(graph).hexdigest(), runtime="onnxruntime",
                   p50_ms=Figure(value=p99 / 2), p99_ms=Figure(value=p99, interval=(p99 * 0.9, p99 * 1.1)),
                   rate=capacity[0] / 2, capacity=capacity)

    decision = Decision(recommended="toy@1", sentence="Deploy toy.", because=["It bears most."], command="make serve",
                        objective="p99 ≤ 20 ms", min_accuracy=0.6931, rate=100, dataset="toy",
                        trades=["wide@1: slower"], caveats=["its passes disagree"], pinned_to=[0])
    left_out = row(1, 8, (1000, 1100)).model_copy(update={
        "p50_ms": None, "p99_ms": None, "capacity": None, "reason": "dominated: toy@2 is quicker"})
    found = [
        Board(machine="a bare machine", measured="2026-01-01", command=[], rows=[left_out]),
        Board(machine="a machine", cores="server on core 0", measured="2026-01-01", command=[], decisions=[decision],
              rows=[row(1, 8, (1000, 1100)), row(2, 2, (500, 550))]),
    ]
    (models / FILE).write_text(BoardFile(boards=found).model_dump_json())
    yield
    (models / FILE).unlink()


def sound(page: Any) -> None:
    """What is shown now has no serious fault for a screen reader, light or dark, and fits a phone."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    faults = {"resultTypes": ["violations"]}  # what passes is not told, which is most of the work
    for scheme, options in (("light", faults), ("dark", {**faults, "runOnly": ["color-contrast"]})):
        page.emulate_media(color_scheme=scheme)
        found = axe.run(page, options=options).response["violations"]
        assert [(each["id"], scheme, each["nodes"][0]["html"]) for each in found
                if each["impact"] in ("serious", "critical")] == []
    page.emulate_media(color_scheme="light")
    before = page.viewport_size
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    page.set_viewport_size(before)


def with_cards(page: Any, told: list[dict[str, Any]]) -> None:
    """Add to the cards of the toys what those of exported models have."""

    def answered_with(route: Any) -> None:
        answer = route.fetch()
        found = answer.json()
        for model, more in zip([each for each in found["models"] if each.get("card")], told, strict=False):
            model["card"] |= more
        route.fulfill(response=answer, json=found)

    page.route("**/models", answered_with)


def with_scores(page: Any) -> None:
    """Scores of two models of one data set, and of another."""
    with_cards(page, [{"score": {"dataset": "toy", "accuracy": share, "low": share - 0.05, "high": share + 0.05}}
                      for share in (0.9, 0.8, 0.7)])


def test_an_image_is_weighed_on_every_ready_model_and_nothing_comes_from_elsewhere(opened: Open) -> None:
    with opened() as page:
        first_sample(page).click()
        answered(page, "")

        assert page.locator("#weighed h3").all_inner_texts() == ["toy@1", "toy@2", "wide@1"]
        page.locator("#weighed article summary").first.click()
        assert "total" in page.locator("#weighed article").first.inner_text()
        assert re.match(r"(All 3|2 of 3) models say", page.locator("#agreement").inner_text())
        page.locator("#seen img").nth(1).wait_for()  # 4 x 4 grey, and 2 x 6 in colour
        page.goto(f"{page.url.partition('#')[0]}#leaderboard")
        page.locator("#models", has_text="model.onnx has 11 bytes").wait_for()


def test_an_image_may_be_chosen_dropped_pasted_drawn_or_photographed(opened: Open) -> None:
    with opened() as page:
        first_sample(page).wait_for()
        page.locator("#file").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": png(255)})
        answered(page, "bright")
        assert "from 8 × 8" in page.locator("#seen").inner_text()

        held = page.evaluate_handle(HOLD, [list(png(255, 7))])
        page.dispatch_event("#drop", "drop", {"dataTransfer": held})
        page.locator("#seen", has_text="from 7 × 7").wait_for()

        page.evaluate("(held) => document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: held }))",
                      page.evaluate_handle(HOLD, [list(png(0, 9))]))
        answered(page, "dark")
        page.locator("#seen", has_text="from 9 × 9").wait_for()

        page.click("[data-mode=draw]")
        paper = page.locator("#paper").bounding_box()
        page.mouse.move(paper["x"] + 20, paper["y"] + 20)
        page.mouse.down()
        page.mouse.move(paper["x"] + 200, paper["y"] + 200, steps=4)
        page.mouse.up()
        page.locator("#seen", has_text="from 280 × 280").wait_for()
        answered(page, "dark")

        page.click("[data-mode=camera]")
        page.click("#shoot")
        page.locator("#drop img").wait_for()
        page.locator("#seen", has_text="from 480 × 480").wait_for()


def test_an_image_that_cannot_be_read_gets_the_server_s_words_once(opened: Open) -> None:
    with opened() as page:
        first_sample(page).wait_for()
        page.locator("#file").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": b"no image"})
        page.locator("#try-problem .trouble").wait_for()

        assert page.locator("#agreement").inner_text() == "This image cannot be used."
        assert page.locator(".trouble").all_inner_texts() == [
            ("The first bytes, 6e 6f 20 69 6d 61 67 65, belong to no known image format. "
            "Convert it to one of PNG, JPEG, WebP, BMP.")]
        assert page.locator("#weighed article").count() == 0
        assert len([each for each in page.complaints if "415" in each]) == 1
        page.complaints.clear()


def test_the_same_file_is_taken_again_and_of_several_one_which_is_said(opened: Open) -> None:
    with opened() as page:
        first_sample(page).wait_for()
        for level in (255, 255):
            page.locator("#file").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": png(level)})
            answered(page, "bright")
            assert page.locator("#file").input_value() == ""
            first_sample(page).click()
            page.locator("#agreement", has_text="The sample is labelled").wait_for()
        page.dispatch_event("#drop", "drop", {"dataTransfer": page.evaluate_handle(HOLD, [list(png(0))] * 3)})
        answered(page, "dark")
        assert "One of 3 was taken, held.png" in page.locator("#drop-told").inner_text()
        beside = page.evaluate("""(held) => document.querySelector("h1").dispatchEvent(
            new DragEvent("drop", { dataTransfer: held, bubbles: true, cancelable: true }))""",
                               page.evaluate_handle(HOLD, [list(png(0))]))
        assert beside is False  # prevented; else the browser would leave the page for the file

        page.click("[data-mode=draw]")
        page.click("#clear")
        assert page.locator("#weighed article").count() == 0
        assert page.locator("#agreement").inner_text().startswith("Choose a sample")


def test_where_a_model_looked_is_laid_over_what_it_saw(opened: Open) -> None:
    with opened() as page:
        first_sample(page).click()
        answered(page, "")
        page.locator("#weighed button.look").first.click()
        page.locator("#weighed .where canvas").wait_for()

        assert "17 runs" in page.locator("#weighed .where").inner_text()
        assert page.evaluate("document.activeElement.className") == "where"  # and not the body
        sound(page)


def test_the_snippet_names_this_server_and_another_language(opened: Open, server: Process) -> None:
    with opened() as page:
        page.locator("#snippet", has_text=f"{server.url}/predict").wait_for()
        page.click("[data-kind=python]")

        assert f'Client("{server.url}")' in page.locator("#snippet").inner_text()


def test_the_sliders_move_the_recommendation_and_columns_sort(opened: Open, board: None) -> None:
    with opened("reports") as page:
        page.locator(".sentence", has_text="Deploy toy.").wait_for()
        assert page.locator(".decision li").all_inner_texts() == [
            "It bears most.", "Or wide@1: slower.", "But: its passes disagree."]
        assert "held to core 0 (taskset -c 0)" in page.locator(".decision").inner_text()
        sound(page)
        with_scores(page)
        page.goto(f"{page.url.partition('#')[0]}#leaderboard")
        page.reload()
        page.locator("#pareto canvas").wait_for()
        assert page.locator("#advice .winner").inner_text() == "toy@1"
        page.locator("#limit").fill("30")
        page.locator("#advice .winner", has_text="toy@2").wait_for()
        page.locator("#floor").fill("100")
        page.locator("#advice", has_text="Nothing measured").wait_for()

        sound(page)
        page.emulate_media(media="print")
        style = "getComputedStyle(document.querySelector('{}')).{}"
        assert page.evaluate(style.format(".scroll:has(#models)", "overflow")) == "visible"
        assert page.evaluate(style.format("header", "position")) == "static"
        page.emulate_media(media="screen")
        page.get_by_role("button", name="p99").click()
        names = page.locator("#models .name").all_inner_texts()
        assert names[:2] == ["toy@2", "toy@1"]
        assert page.locator("#columns [aria-sort=ascending]").inner_text() == "p99"
        page.get_by_role("button", name="p99").click()
        assert page.locator("#models .name").all_inner_texts()[:2] == ["toy@1", "toy@2"]


def test_the_board_shows_a_machine_that_has_the_data_set_at_the_floor_that_was_decided(
    opened: Open, board: None
) -> None:
    with opened() as page:
        with_scores(page)
        page.click("nav a[href='#leaderboard']")
        page.locator("#pareto canvas").wait_for()

        assert page.locator("#machine option:checked").inner_text() == "a machine"
        assert page.locator("#floor-told").inner_text() == "69.3 %"
        assert float(page.locator("#floor").input_value()) % 1 != 0  # a slider of whole steps would have moved it
        assert "at 500/s" in page.locator("#models tr.best").inner_text()
        assert "server on core 0, onnxruntime, 1 thread, 1 worker" in page.locator("#measured").inner_text()
        page.select_option("#machine", label="a bare machine")
        page.locator("#advice", has_text="under load on this machine, but on a machine.").wait_for()
        assert "No capacity: dominated: toy@2 is quicker." in page.locator("#models").inner_text()


def test_only_a_clean_training_is_said_to_have_left_the_test_split_alone(opened: Open) -> None:
    watched = {"training": {"protocol": "report"}, "recipe": {"report": {"watches": "test", "picks": "best"}}}
    with opened() as page:
        with_cards(page, [{"training": {"protocol": "clean"}}, watched])
        page.reload()
        page.click("nav a[href='#reports']")
        page.locator("#trainings tr").first.wait_for()

        assert page.locator("#trainings tr td:nth-child(3)").all_inner_texts()[:3] == [
            "clean", "report\nwatched the test split and kept its best epoch", "–"]


def test_parts_that_were_opened_while_models_load_fill_by_themselves(opened: Open) -> None:
    def still_loading(route: Any) -> None:
        answer = route.fetch()
        found = answer.json()
        for model in found["models"]:
            model["ready"] = False
        route.fulfill(response=answer, json=found)

    with opened("reports") as page:
        page.locator("#trainings").wait_for()
        page.route("**/models", still_loading)
        page.click("nav a[href='#evaluate']")
        page.locator("#ask-problem", has_text="No model is ready yet.").wait_for()
        page.click("nav a[href='#live']")
        page.locator("#load-about", has_text="No model is ready yet.").wait_for()
        page.unroute_all(behavior="wait")  # until who is being answered has been

        page.click("nav a[href='#evaluate']")
        page.locator("#ask-model option").nth(2).wait_for(state="attached")
        assert page.locator("#ask-problem").inner_text() == ""
        page.click("nav a[href='#live']")
        page.locator("#load-model option").first.wait_for(state="attached")


def test_an_evaluation_is_followed_through_polls_that_fail(opened: Open) -> None:
    failed = []

    def once(route: Any) -> None:
        failed.append(route.request.url)
        if len(failed) < 3:
            route.abort()
        else:
            route.continue_()

    with opened("evaluate") as page:
        page.locator("#ask-model option").nth(2).wait_for(state="attached")
        page.route(re.compile(r"/evaluate/jobs/\w+$"), once)
        page.click("#ask-go")
        page.locator("#job-state", has_text="trying again").wait_for()
        page.locator(".confusion").wait_for()

        assert page.locator("#ask-problem").inner_text() == ""
        page.complaints[:] = [each for each in page.complaints if "net::ERR_FAILED" not in each]


def test_the_light_counts_models_and_says_when_the_server_is_gone(opened: Open) -> None:
    with opened() as page:
        page.locator("#health", has_text="3 of 4 models ready, 1 failed").wait_for()
        for path in ("**/readyz", "**/predict*"):
            page.route(path, lambda route: route.abort())
        first_sample(page).click()
        page.locator("#health", has_text="unreachable").wait_for()
        page.complaints.clear()


def test_a_part_that_could_not_be_loaded_can_be_tried_again(opened: Open) -> None:
    with opened("reports") as page:
        page.locator("#trainings").wait_for()
        for path in ("**/pages/live/live.css", "**/pages/live/live.html"):
            page.route(path, lambda route: route.abort())
        page.click("nav a[href='#live']")
        page.locator("#part-live .trouble").wait_for()
        page.unroute_all()
        page.get_by_role("button", name="Try again").click()
        page.locator("#part-live h1").wait_for()
        page.locator("#part-live .loading").wait_for(state="detached")
        page.complaints.clear()


def test_two_models_are_compared_and_a_cell_leads_to_its_images(opened: Open) -> None:
    with opened("evaluate") as page:
        page.locator("#ask-model option").nth(2).wait_for(state="attached")
        page.select_option("#ask-model", "toy@1")
        page.select_option("#ask-compare", "toy@2")
        page.click("#ask-go")
        page.locator(".confusion").wait_for()

        assert "cannot be told apart on these 300 images" in page.locator(".verdict").inner_text()
        assert "90.00 %" in page.locator(".figures").last.inner_text()
        page.locator(".confusion button").nth(1).click()
        page.locator(".cell img").first.wait_for()
        wanted = int(page.locator(".confusion button").nth(1).inner_text())
        assert f"dark taken for bright: {wanted} image" in page.locator(".cell h3").inner_text()
        assert page.locator(".cell img").count() == min(24, wanted)

        sound(page)
        assert "of 300 images (limit)" not in page.locator(".result").first.inner_text()
        assert "SHA-256 of the split" in page.locator(".result").first.inner_text()
        assert page.get_by_role("img", name="Reliability").count() == 1
        page.get_by_role("button", name="toy@2").last.click()
        page.locator(".segments [aria-pressed=true]", has_text="toy@2").wait_for()
        page.locator(".result .result:not([aria-busy]) .figures").wait_for()
        page.locator(".confusion button").first.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        page.locator(".cell img").first.wait_for()


def test_files_of_one_s_own_are_scored_and_their_names_stay_text(opened: Open) -> None:
    upload = io.BytesIO()
    with zipfile.ZipFile(upload, "w") as archive:
        archive.writestr(f"bright/{HOSTILE}", png(0))
        archive.writestr("dark/a.png", png(0))
    with opened("evaluate") as page:
        page.locator("#ask-data option").nth(1).wait_for(state="attached")
        page.select_option("#ask-model", "toy@1")
        page.select_option("#ask-data", label="files of my own")
        page.locator("#ask-files").set_input_files(
            {"name": "mine.zip", "mimeType": "application/zip", "buffer": upload.getvalue()})
        page.click("#ask-go")
        page.locator(".gallery figure", has_text=HOSTILE).wait_for()

        assert page.locator(".gallery img").first.get_attribute("src").startswith("data:image/png;base64,")
        assert page.locator("img[src=x]").count() == 0


def test_a_refused_evaluation_says_why(opened: Open) -> None:
    with opened("evaluate") as page:
        page.locator("#ask-data option").nth(1).wait_for(state="attached")
        page.select_option("#ask-data", label="files of my own")
        page.locator("#ask-files").set_input_files({"name": "a.txt", "mimeType": "text/plain", "buffer": b"nothing"})
        page.click("#ask-go")
        page.locator("#ask-problem .trouble").wait_for()
        page.complaints[:] = [each for each in page.complaints if "415" not in each and "422" not in each]

        assert "a CSV file with a zip" in page.locator("#ask-problem").inner_text()


def test_a_short_load_is_seen_while_it_runs_and_ends_by_itself(opened: Open) -> None:
    with opened("live") as page:
        page.locator("#load-model option").first.wait_for(state="attached")
        page.select_option("#load-model", "toy@2")
        page.locator("#load-rate").fill("50")
        page.click("#load-go")
        page.locator("#live-models tr", has_text="toy@2").wait_for()
        page.wait_for_function("""() => [...document.querySelectorAll("#live-models tr")].some(
            (row) => row.textContent.includes("toy@2") && Number(row.cells[1].textContent) > 0)""")
        assert page.locator(".charts canvas").count() == 4
        sound(page)
        page.click("#load-go")  # it says Stop now
        page.locator("#load-told", has_text="answered until it was stopped").wait_for()

        assert page.locator("#load-go").inner_text() == "Start"
        assert int(page.locator("#load-rate").get_attribute("max")) <= 200


def test_a_report_opens_in_a_sandbox_that_reaches_nothing(opened: Open, models: Path) -> None:
    run = models.parent / "reports" / "weigh-1"
    run.mkdir(parents=True, exist_ok=True)
    (run / "decision.html").write_text("""<!doctype html><title>r</title><h1>decided</h1><p id=told></p><script>
        try { told.textContent = "stored " + sessionStorage.length; } catch (error) { told.textContent = error.name; }
    </script>""")
    with opened("reports") as page:
        page.get_by_role("button", name="Weighing").click()
        frame = page.frame_locator("#frame")
        frame.locator("h1", has_text="decided").wait_for()

        assert frame.locator("#told").inner_text() == "SecurityError"


def test_the_keyboard_alone_reaches_every_part_and_a_sample(opened: Open) -> None:
    with opened() as page:
        first_sample(page).wait_for()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        for _ in range(3):
            page.keyboard.press("Tab")  # the mark, Try, Leaderboard
        page.keyboard.press("Enter")
        page.locator("#part-leaderboard h1").wait_for()
        assert page.locator("nav [aria-current]").inner_text() == "Leaderboard"

        page.go_back()
        first_sample(page).focus()
        page.keyboard.press("Enter")
        answered(page, "")


def test_the_first_load_is_small(opened: Open, server: Process) -> None:
    with opened("nothing") as page:
        sizes = []
        page.on("requestfinished", lambda request: sizes.append(sum(
            request.sizes()[part] for part in ("responseBodySize", "responseHeadersSize"))))
        page.reload(wait_until="networkidle")
        first_sample(page).wait_for()

    assert len(sizes) > 20
    assert sum(sizes) < FIRST_LOAD_BYTES


def test_who_holds_a_key_is_asked_for_it_once_and_may_forget_it(
    opened: Open, tmp_path: Path
) -> None:
    models, keys = tmp_path / "models", tmp_path / "keys"
    write_toy(models)
    key = add_key(keys, "me")
    server = running(models, tmp_path / "home", WEIGHBRIDGE_API_KEYS=str(keys))
    with server as process, opened(url=process.url) as page:
        page.locator("#key[open]").wait_for()
        for _ in range(2):
            page.keyboard.press("Escape")
            page.locator("#part-try .trouble", has_text="A key is needed.").wait_for()
            page.get_by_role("button", name="Enter a key").click()
            page.locator("#key[open]").wait_for()
        page.fill("#key-text", "wb_wrong")
        page.keyboard.press("Enter")
        page.locator("#key-problem", has_text="does not know this key").wait_for()
        page.fill("#key-text", key)
        page.keyboard.press("Enter")
        page.locator("#file").wait_for(state="attached")
        page.locator("#file").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": png(255)})
        page.locator("#weighed .answer", has_text="bright").wait_for()

        assert page.evaluate("[sessionStorage.length, localStorage.length, document.cookie]") == [1, 0, ""]
        assert key not in page.content()
        page.click("nav a[href='#live']")
        page.locator("#load-about", has_text="does not offer a load").wait_for()
        assert page.locator("a[href='/metrics']").count() == 0  # it could not send the key
        assert page.locator("#load").is_hidden()
        page.click("#forget")
        page.locator("#key[open]").wait_for()
        assert page.evaluate("sessionStorage.length") == 0


def test_the_docs_page_shows_every_operation(opened: Open) -> None:
    with opened("", path="/docs") as page:
        page.locator("#schemas details").first.wait_for()

        shown = page.locator("#operations summary").all_inner_texts()
        assert [line for line in shown if "/predict " in line or line.endswith("many images")] == [
            "POST/predict Classify one or many images"]
        page.locator("#operations summary", has_text="Classify one or many").click()
        predict = page.locator("#operations details[open]")
        assert predict.locator("h3").all_inner_texts()[:2] == ["In the address, after ?", "In the headers"]
        assert predict.locator("h3:has-text('headers') + table td code").first.inner_text() == "Request-Timeout"
        assert predict.locator("th[scope=col]").all_inner_texts()[:3] == ["Name", "Type", "Meaning"]
        assert "one of fit, exact" in predict.inner_text()
        assert "`" not in page.locator("main").inner_text()
        assert page.locator("#operations h3:has-text('In the path') + table").first.text_content().count("required")
        sound(page)
        assert len(shown) == sum(map(len, document(Settings())["paths"].values()))


def test_files_are_sent_packed_and_only_when_they_changed(http: httpx.Client) -> None:
    first = http.get("/pages/shell/shell.css")
    again = http.get("/pages/shell/shell.css", headers={"If-None-Match": first.headers["etag"]})
    plain = http.get("/pages/shell/shell.css", headers={"Accept-Encoding": "identity"})

    assert first.headers["content-encoding"] == "gzip"
    assert int(first.headers["content-length"]) < len(plain.content) == len(first.content)
    assert "content-encoding" not in plain.headers
    assert (again.status_code, again.content) == (304, b"")


def test_no_script_of_ours_makes_markup_of_text_or_code_of_it() -> None:
    ours = {name: file.content.decode() for name, file in FILES.items()
            if name.endswith(".js") and not name.startswith("vendor/")}

    assert len(ours) > 15
    risky = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function")
    assert {name for name, text in ours.items() if risky.search(text)} == set()


def test_the_page_s_policy_allows_no_inline_script_and_what_comes_with_it_has_its_licence(http: httpx.Client) -> None:
    policy = http.get("/").headers["content-security-policy"]

    assert "unsafe" not in policy
    assert re.search(r"<script(?![^>]*src=)|\son\w+=|style=", http.get("/").text) is None
    assert "MIT License" in http.get("/pages/vendor/uplot/LICENSE.txt").text

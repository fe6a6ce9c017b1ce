"""What a running server bears, from the command's own options: fake servers, and real ones of both protocols."""

from __future__ import annotations

import argparse
import json
import re
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from process import Process, running
from rich.console import Console

from benchmarks.__main__ import main
from benchmarks.capacity.probe import Effort
from benchmarks.capacity.search import search
from benchmarks.commands import bearing
from benchmarks.commands.shared import Interrupted
from benchmarks.comparison.contenders import NothingToWeighError
from benchmarks.comparison.run import RunError
from benchmarks.elsewhere import asking, measure
from benchmarks.elsewhere.address import is_here
from benchmarks.elsewhere.question import Question
from benchmarks.elsewhere.verdict import decide
from benchmarks.load.rows import FAILED
from benchmarks.load.stored import Load
from benchmarks.machine.ports import free_port
from benchmarks.machine.server import Elsewhere, Server, ServerError, serving
from service.keys import add_key
from service.splits import write_split

Fake = Callable[..., AbstractContextManager[Server]]
Bears = Callable[..., tuple[int, dict[str, Any]]]
OIP = Path(__file__).parent.parent / "fake_oip.py"
SLO = ("--slo", "p90=1s")  # so that a busy machine decides nothing
TOYS = ("--split", "toys-test", "--body", "raw")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes of a second, and a generator whose calibration, which has tests of its own, is taken for granted."""
    effort = Effort(requests=60, seconds=0.6, limits=0, warmup=0.1, resolution=0.5)
    monkeypatch.setattr(Question, "effort", property(lambda _: effort))
    monkeypatch.setattr(measure, "calibrate", lambda folder, *_, **__: json.loads(
        (folder / "calibration.json").read_text() if (folder / "calibration.json").exists() else calibrated(folder)))
    monkeypatch.setattr(measure, "AUDIT_SECONDS", 0.5)
    monkeypatch.setattr(measure, "AUDIT_LIMIT", 4.0)
    monkeypatch.delenv("WEIGHBRIDGE_API_KEY", raising=False)


@pytest.fixture
def shortest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only probes of 60 requests a second, where protocols are looked at."""
    monkeypatch.setattr(measure, "MOST", 60.0)
    monkeypatch.setattr(measure._Measurement, "_look_for_a_cache", lambda *_: None)
    monkeypatch.setattr(measure._Measurement, "_alone_us", lambda _: 5000.0)


def calibrated(folder: Path, most: float = 400.0) -> str:
    text = json.dumps({"most_rate": most, "limited_by": "a test", "floor_p50_us": 100, "floor_p99_us": 200})
    (folder / "calibration.json").write_text(text)
    return text


@pytest.fixture(scope="module")
def bears(toys: Path, tmp_path_factory: pytest.TempPathFactory) -> Bears:
    """`bears(url, "--rate", 10)` is the exit code of the command and what it stored."""

    def ask(url: str, *arguments: object, output: Path | None = None) -> Any:
        folder = output or tmp_path_factory.mktemp("capacity") / "run"
        parser = argparse.ArgumentParser()
        bearing.add_to(parser.add_subparsers())
        options = parser.parse_args(["capacity", url, *SLO, "--root", str(toys / "models"), "--output", str(folder),
                                     *map(str, arguments)])
        code = options.do(options, Console(file=StringIO()))
        return code, json.loads((folder / "capacity.json").read_text()) | {"folder": folder}

    return ask


@pytest.fixture(scope="module")
def oip(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., AbstractContextManager[Server]]:
    """`with oip([-1, 1, 4, 4], "FP32", 2) as server:` runs a fake server with a model of that input and output."""

    def start(shape: list[int], datatype: str = "FP32", classes: int = 2, *options: str, **more: Any) -> Any:
        folder = tmp_path_factory.mktemp("oip")
        about = {"name": "toy", "inputs": [{"name": "x", "datatype": datatype, "shape": shape}],
                 "outputs": [{"name": "scores", "datatype": "FP32", "shape": [-1, classes]}], **more}
        (folder / "toy.json").write_text(json.dumps(about))
        return serving(root=folder, log=folder / "server.log", command=(
            sys.executable, str(OIP), "--port", "{port}", "--metadata", str(folder / "toy.json"), *options))

    return start


@pytest.fixture
def bracketed(fake: Fake, bears: Bears) -> Iterator[tuple[int, dict[str, Any]]]:
    """A server that refuses what exceeds 100 requests a second."""
    with fake("--bears", 100) as server:
        yield bears(server.url, *TOYS)


@pytest.mark.slow
def test_a_running_server_gets_a_bracket_a_verdict_and_three_documents(
    bracketed: tuple[int, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, result = bracketed
    capacity, folder = result["capacity"], result["folder"]

    assert code == 0
    assert 10 < capacity["pass_rate"] < capacity["fail_rate"] <= 400
    assert capacity["bound_by"] == "failures"
    assert result["verdict"]["sentence"].startswith(f"the default model at {result['question']['url']} bears ")
    assert result["verdict"]["sentence"].endswith(" within p90 ≤ 1000 ms; bound by failures.")
    assert result["accuracy"]["top1"] == 1.0
    assert result["here"] is True
    assert any("both share its" in sentence for sentence in result["unknown"])
    text = (folder / "capacity.md").read_text()
    assert "bound by failures" in text
    assert "What cannot be known from outside" in text
    page = (folder / "capacity.html").read_text()
    assert all(part in page for part in ('id="latency-rate"', 'id="misses-rate"', "held:", "failed:", "may miss"))
    assert len(result["curve"]) == len(capacity["probes"])
    # What was measured is derived again, and not measured again.
    (folder / "capacity.json").unlink()
    assert main(["report", str(folder)]) == 0
    assert json.loads((folder / "capacity.json").read_text())["capacity"] == capacity


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_measured_and_another_question_is_refused_in_its_folder(
    fake: Fake, bears: Bears, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def struck(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with fake() as server:
        with monkeypatch.context() as patch:
            patch.setattr(measure, "find_capacity", struck)
            with pytest.raises(Interrupted, match=r"to continue: .*--output"):
                bears(server.url, *TOYS, output=tmp_path / "run")
        known = json.loads((tmp_path / "run" / "capacity.json").read_text())
        single = (tmp_path / "run" / "loads" / "single.json").stat().st_mtime_ns
        calibrated(tmp_path / "run", most=40.0)
        code, result = bears(server.url, *TOYS, output=tmp_path / "run")
        with pytest.raises(RunError, match="begun with another rate"):
            bears(server.url, *TOYS, "--rate", 20, output=tmp_path / "run")

    assert known["validity"]["reasons"][0]["code"] == "incomplete"
    assert (tmp_path / "run" / "loads" / "single.json").stat().st_mtime_ns == single
    assert (result["capacity"]["pass_rate"], result["capacity"]["fail_rate"]) == (40.0, None)
    assert code == 4  # nobody knows how much more: the generator was the limit
    assert "bears at least 40 requests/s" in result["verdict"]["sentence"]


@pytest.mark.slow
def test_a_server_that_answers_from_memory_is_invalid(
    fake: Fake, bears: Bears, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure._Measurement, "_search", lambda *_: None)
    with fake("--cache", "--work", 0.02) as server:
        code, result = bears(server.url, *TOYS, "--rate", 20)

    assert code == 4
    assert [reason["code"] for reason in result["validity"]["reasons"]] == ["cache"]


@pytest.fixture(scope="module")
def real(toys: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, str]]:
    """Our own server with models a and b, which wants an API key, and the key."""
    home = tmp_path_factory.mktemp("home")
    key = add_key(home / "keys", "tests")
    with running(toys / "models", home, WEIGHBRIDGE_API_KEYS=str(home / "keys"),
                 WEIGHBRIDGE_DEFAULT_MODEL="a") as process:
        yield process, key


@pytest.mark.slow
@pytest.mark.parametrize("options", [
    ("--body", "raw"), ("--protocol", "oip", "--model", "b@1"),
])
def test_our_own_server_is_weighed_by_either_protocol_and_with_its_key(
    real: tuple[Process, str], bears: Bears, shortest: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
) -> None:
    process, key = real
    monkeypatch.setenv("WEIGHBRIDGE_API_KEY", key)

    code, result = bears(process.url, *options, "--rate", 30, output=tmp_path / "run")

    assert code == 0, result["verdict"]
    assert result["verdict"]["sentence"].endswith(" at least 2.00 times the 30 requests/s that you expect.")
    assert result["verdict"]["headroom"] == 2.0
    assert result["at_rate"]["rate"] == 30
    assert result["accuracy"]["top1"] == 1.0
    assert result["model"] == (options[3] if "oip" in options else "a@1")
    assert not any(key.encode() in path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file())


@pytest.mark.slow
@pytest.mark.parametrize("options", [
    (("--binary-answer", "--key", "k"), ()), (("--no-binary",), ("--tensor", "json")),
])
def test_a_model_of_floats_with_channels_first_is_weighed_by_the_open_inference_protocol(
    oip: Any, bears: Bears, shortest: None, monkeypatch: pytest.MonkeyPatch,
    options: tuple[tuple[str, ...], tuple[str, ...]],
) -> None:
    theirs, ours = options
    monkeypatch.setenv("WEIGHBRIDGE_API_KEY", "k")
    with oip([-1, 1, 4, 4], "FP32", 2, *theirs) as server:
        code, result = bears(server.url, "--protocol", "oip", "--model", "toy", "--rate", 30, *ours)

    assert code == 0, result["verdict"]
    assert result["accuracy"]["top1"] == 1.0
    assert [split["body"] for split in result["datasets"].values()] == ["json-fp32" if ours else "binary-fp32"]


@pytest.mark.parametrize(("shape", "options", "arguments", "said"), [
    ([-1, 1, 4, 4], {}, ("--model", "toys"), "--model toys: .*404: unknown model; it has toy"),
    ([-1, -1, -1, 1], {}, (), "cannot be told to fit while sizes in it are -1; name the split .* --split"),
    ([-1, -1, -1, -1], {}, ("--scale", "x"), "x is no number"),
    ([-1, 3, 4, 4], {}, (), r"has the shape \[-1, 3, 4, 4\], and toys-test \(4 × 4 × 1, 2 classes\) do not fit"),
    ([8, 1, 4, 4], {}, (), "would have to come 8 at once; serve it with a batch of 1 or -1"),
    ([-1, 1, 4, 4], {"datatype": "BYTES"}, (), "its input x is BYTES; only UINT8, FP32, FP16 can be sent"),
    ([-1, 1, 4, 4], {"classes": 10}, (), r"its output scores has the shape \[-1, 10\], so 10 values .* not the number"),
    ([-1, 1, 4, 4], {"inputs": []}, (), r"toy has 0 inputs \(none that it tells\)"),
    ([-1, 1, 4, 4], {"inputs": 3}, (), "does not answer as the Open Inference Protocol v2 does: inputs: "),
    ([-1, 1, 4, 4], {"outputs": []}, (), "tells no output"),
    ([-1, 1, 4, 4], {}, ("--output-tensor", "top"), "--output-tensor top: toy has scores"),
    ([-1, 1, 4, 4], {}, ("--mean", "0", "0", "0"), r"--mean: 3 values for images of 1 channel\(s\); give one, or 1"),
    ([-1, 1, 4, 4], {"datatype": "UINT8"}, ("--std", "2"), "--std: the input x is UINT8, which takes pixels as they"),
    ([-1, 1, 4, 4], {}, ("--split", "mnist"), "--split mnist: there is none under .*; there are toys-test"),
    ([-1, 1, 4, 4], {"extra": ("--key", "k")}, (), "401; it wants an API key: put yours into WEIGHBRIDGE_API_KEY"),
    ([-1, 1, 4, 4], {"extra": ("--no-binary",)}, (), "400: expected JSON; if it does not know binary .* --tensor json"),
])
def test_what_cannot_be_weighed_by_the_open_inference_protocol_is_told_with_the_cure(
    oip: Any, bears: Bears, capsys: pytest.CaptureFixture[str], shape: list[int], options: dict[str, Any],
    arguments: tuple[str, ...], said: str,
) -> None:
    more = {key: options[key] for key in ("inputs", "outputs") if key in options}
    model = () if "--model" in arguments else ("--model", "toy")
    with (
        oip(shape, options.get("datatype", "FP32"), options.get("classes", 2), *options.get("extra", ()),
            **more) as server,
        pytest.raises((NothingToWeighError, ServerError, SystemExit)) as raised,
    ):
        bears(server.url, "--protocol", "oip", *model, *arguments)

    found = capsys.readouterr().err if raised.type is SystemExit else str(raised.value)
    assert re.search(said, found), found


def test_open_sizes_are_those_of_a_split_that_is_named(oip: Any, toys: Path) -> None:
    from benchmarks.elsewhere import metadata

    with oip([-1, -1, -1, 1]) as server:
        found = metadata.find(Elsewhere(server.url, Path("none")), Question(
            url=server.url, slo="p99=1s", protocol="oip", model="toy", split="toys-test", root=str(toys / "models")))

    assert found.encoder(np.zeros((4, 4, 1), np.uint8)).startswith(b'{"inputs":[{"name":"x","shape":[1,4,4,1]')


def test_splits_of_one_shape_are_not_chosen_between(oip: Any, bears: Bears, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_split(tmp_path / "splits" / name, np.zeros((4, 4, 4, 1), np.uint8), np.arange(4) % 2, dataset=name,
                    split="test", classes=("a", "b"), licence="none")
    with oip([-1, 1, 4, 4]) as server, pytest.raises(NothingToWeighError, match="choose one with --split: one, two"):
        bears(server.url, "--protocol", "oip", "--model", "toy", "--root", tmp_path)


def test_what_cannot_be_weighed_by_weighbridges_protocol_is_told_with_the_cure(
    fake: Fake, real: tuple[Process, str], bears: Bears, toys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, key = real
    with fake("--foreign") as server:
        with pytest.raises(NothingToWeighError, match=r"no catalogue .* with --split"):
            bears(server.url)
        with pytest.raises(NothingToWeighError, match=r'200, but with no prediction: .* at least {"predictions"'):
            bears(server.url, *TOYS)
    with pytest.raises(ServerError, match=r"nothing answers at .* is the server running"):
        bears(f"http://127.0.0.1:{free_port()}", *TOYS)
    with pytest.raises(ServerError, match="401; it wants an API key"):
        bears(process.url)
    monkeypatch.setenv("WEIGHBRIDGE_API_KEY", "wb_guess")
    with pytest.raises(ServerError, match="401; it does not take the API key in WEIGHBRIDGE_API_KEY"):
        bears(process.url)
    monkeypatch.setenv("WEIGHBRIDGE_API_KEY", key)
    with pytest.raises(NothingToWeighError, match="--model c: the server does not serve it; it serves a, b"):
        bears(process.url, "--model", "c")
    write_split(toys / "other" / "splits" / "big", np.zeros((4, 5, 5, 1), np.uint8), np.arange(4) % 2, dataset="big",
                split="test", classes=("dark", "bright"), licence="none")
    with pytest.raises(NothingToWeighError, match=r"a@1 takes \(4, 4, 1\) images of 2 classes and no split"):
        bears(process.url, "--root", toys / "other")
    with pytest.raises(NothingToWeighError, match=r"--split big: its images are \(5, 5, 1\), and a@1 takes \(4, 4, 1"):
        bears(process.url, "--root", toys / "other", "--split", "big")


@pytest.mark.parametrize(("arguments", "said"), [
    (("localhost:3000",), "'localhost:3000' is no address; write http://host:port"),
    (("http://me:secret@a",), "an address with a password in it would be stored"),
    (("http://a/?x=1",), "is more than an address"),
    (("http://a", "--rate", "1"), "--rate 1: even 120 seconds of it prove nothing about p99"),
    (("http://a", "--tensor", "json"), "--tensor is for --protocol oip"),
    (("http://a", "--protocol", "oip"), "--protocol oip needs --model NAME"),
    (("http://a", "--protocol", "oip", "--model", "m", "--body", "png"), "--body is for --protocol weighbridge"),
    (("http://a", "--protocol", "oip", "--model", "m", "--std", "0"), "--std 0: nothing can be divided by it"),
])
def test_a_question_that_cannot_be_answered_is_refused_at_once(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    with pytest.raises(SystemExit):
        main(["capacity", *arguments, "--slo", "p99=20ms"])

    assert said in capsys.readouterr().err


def result(low: float | None, high: float | None, *, rate: float | None = None, blame: str | None = None,
           valid: bool = True) -> dict[str, Any]:
    return {"question": {"url": "http://a", "objective_text": "p99 ≤ 20 ms", "rate": rate}, "model": "m",
            "validity": {"valid": valid},
            "capacity": {"pass_rate": low, "fail_rate": high, "bound_by": "latency", "blame": blame}}


@pytest.mark.parametrize(("found", "code", "said"), [
    (result(489, 510), 0, "m at http://a bears 489 to 510 requests/s within p99 ≤ 20 ms; bound by latency."),
    (result(489, 510, rate=100), 0, "; bound by latency: 4.89 times the 100 requests/s that you expect."),
    (result(489, 510, rate=600), 3, "; bound by latency: not the 600 requests/s that you expect."),
    (result(489, 510, valid=False), 4, "bears 489 to 510 requests/s"),
    (result(489, 510, blame="late"), 4, "bears at least 489 requests/s within p99 ≤ 20 ms; what ended the search was"),
    (result(489, 510, rate=100, blame="late"), 0, ": at least 4.89 times the 100 requests/s"),
    (result(489, None, rate=600), 4, "whether it bears the 600 requests/s that you expect is unknown."),
    (result(None, 11), 3, "m at http://a does not even bear 11 requests/s within"),
    (result(None, 11, rate=100), 3, "not the 100 requests/s"),
    (result(None, 11, rate=100, blame="late"), 4, "bears an unknown rate"),
])
def test_the_verdict_is_one_sentence_and_an_exit_code(found: dict[str, Any], code: int, said: str) -> None:
    verdict = decide(found)

    assert said in verdict["sentence"]
    assert verdict["code"] == code
    assert verdict["borne"] == {0: True, 3: False}.get(code) or found["question"]["rate"] is None or code == 4


@pytest.mark.parametrize("bearable", [103.0, 108.0])
def test_a_rate_that_is_to_be_decided_is_never_left_inside_of_the_bracket(bearable: float) -> None:
    tried: list[float] = []

    def trial(rate: float, number: int) -> bool:
        tried.append(rate)
        return rate <= bearable

    found = search(trial, start=100, least=1, most=1000, resolution=0.2, decide=105.0)

    assert tried.count(105.0) == 2
    assert 105.0 in (found.low, found.high)


def test_what_failed_because_the_server_had_gone_is_not_kept(made: Callable[..., Load], tmp_path: Path) -> None:
    gone = made(outcome=np.full(1000, FAILED, np.uint8))
    (tmp_path / "loads").mkdir()
    (tmp_path / "loads" / "open.json").write_text("{}")

    class Folder:
        folder, place, question = tmp_path, tmp_path / "loads", None

    folder: Any = Folder()
    measurement = measure._Measurement(folder, None, Elsewhere(f"http://127.0.0.1:{free_port()}", tmp_path), None, None)
    with pytest.raises(ServerError, match="went away during open; start it and run the same again"):
        measurement._check(replace(gone))

    assert not (tmp_path / "loads" / "open.json").exists()


def test_a_server_that_is_too_busy_to_answer_is_still_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "PATIENCE_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listening:  # takes connections, and never answers
        port = listening.getsockname()[1]
        assert asking.alive(Elsewhere(f"http://127.0.0.1:{port}", tmp_path))

    assert not asking.alive(Elsewhere(f"http://127.0.0.1:{port}", tmp_path))


def test_an_address_of_this_machine_is_known_as_such() -> None:
    assert is_here("http://localhost:3000") is True
    assert is_here("http://[::1]:3000/prefix") is True
    assert is_here("http://192.0.2.1") is False
    assert is_here("http://nobody.invalid") is None

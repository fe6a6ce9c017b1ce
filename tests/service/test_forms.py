"""The quick way of taking a form apart, against python-multipart, which knows every way of writing one."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.forms import Part, full_form, parse_form, quick_form
from service.problems import Problem

TYPE = "multipart/form-data; boundary=b-1"
PIECES = st.sampled_from([
    b"--b-1\r\n", b"--b-1--", b"--b-1--\r\n", b"\r\n--b-1\r\n", b"\r\n--b-1--\r\n", b"\r\n--b-1", b"--b-1x", b"\r\n",
    b'Content-Disposition: form-data; name="image"',
    b'Content-Disposition: form-data; name="image"; filename="a b.png"',
    b'content-disposition: form-data; name=image', b'Content-Disposition: form-data; name="a\\"b"', b"\r\n\r\n",
    b'Content-Disposition: form-data; name=""', b'Content-Disposition: attachment; filename="x"; name="y"',
    b"\r\nContent-Type: image/png", b"\r\nX-Y: z", b" folded", b"data", b"\x00\xff", b"-", b"\r", b"\n", b"",
])
WHOLE = b'--b-1\r\nContent-Disposition: form-data; name="image"; filename="f"\r\n\r\n'


def outcome(body: bytes, kind: str) -> list[Part] | str:
    try:
        return full_form(body, kind, 100)
    except Problem as problem:
        return problem.slug


@given(st.lists(PIECES, max_size=14).map(b"".join))
@example(WHOLE + b"x\r\n--b-1--")
@example(WHOLE + b"\r\n--b-1--\r\n")
@example(WHOLE + b"\r\n--b-1\r\n\r\n--b-1--\r\n")
@example(WHOLE + b"\r\n--b-1--\r\nafterwards")
@example(b"\r\n" + WHOLE + b"x\r\n--b-1--\r\n")
def test_what_the_quick_way_finds_the_full_way_finds(body: bytes) -> None:
    found = quick_form(body, TYPE)

    assert found is None or found == outcome(body, TYPE)


@given(st.lists(st.tuples(st.sampled_from(["image", "model", "x.y"]), st.binary(max_size=40)), min_size=1, max_size=5))
def test_what_a_usual_client_sends_goes_the_quick_way(parts: list[tuple[str, bytes]]) -> None:
    request = httpx.Request("POST", "http://x", files=[(name, ("a b.png", data, "image/png")) for name, data in parts])
    body, kind = request.read(), request.headers["content-type"]

    found = quick_form(body, kind)

    assert found == outcome(body, kind)
    assert found == [Part(name, "a b.png", data) for name, data in parts]


@pytest.mark.parametrize("kind", [
    'multipart/form-data; boundary="b-1"', "multipart/form-data;boundary=b-1", "Multipart/Form-Data; boundary=b-1",
    "multipart/form-data; charset=utf-8; boundary=b-1",
])
def test_an_unusual_type_goes_the_full_way_and_is_read_all_the_same(kind: str) -> None:
    body = WHOLE + b"x\r\n--b-1--\r\n"

    assert quick_form(body, kind) is None
    assert parse_form(body, kind, max_parts=1) == [Part("image", "f", b"x")]


def test_too_many_parts_are_refused_on_either_way() -> None:
    body = WHOLE + b"x\r\n" + WHOLE + b"x\r\n--b-1--\r\n"

    with pytest.raises(Problem, match="more than 1 parts"):
        parse_form(body, TYPE, max_parts=1)

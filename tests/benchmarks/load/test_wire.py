import pytest

from benchmarks.load.wire import Address, ReplyError, field, head_of, parse, request

WHOLE = b"HTTP/1.1 200 OK\r\nContent-Type: x\r\nContent-Length: 5\r\nServer-Timing: infer;dur=1\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n"


@pytest.mark.parametrize("data", [WHOLE, CHUNKED, b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE])
def test_a_reply_is_whole_only_with_its_last_byte(data: bytes) -> None:
    assert all(parse(data[:n]) is None for n in range(len(data)))

    reply = parse(data)

    assert (reply.status, reply.body, reply.closes) == (200, b"hello", False)


def test_a_reply_without_a_length_ends_with_the_connection() -> None:
    data = b"HTTP/1.1 200 OK\r\n\r\nhello"

    assert parse(data) is None
    assert parse(data, ended=True).body == b"hello"
    assert parse(data, ended=True).closes


@pytest.mark.parametrize("data", [WHOLE[:-1], CHUNKED[:-8], b"HTTP/1.1 200", b""])
def test_a_reply_that_breaks_off_is_an_error(data: bytes) -> None:
    with pytest.raises(ReplyError):
        parse(data, ended=True)


@pytest.mark.parametrize("data", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 OK\r\n\r\n",
                                  b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"])
def test_what_is_no_reply_is_an_error_at_once(data: bytes) -> None:
    with pytest.raises(ReplyError):
        parse(data)


def test_fields_are_found_whatever_their_case() -> None:
    head = parse(WHOLE).head

    assert field(head, "server-timing") == "infer;dur=1"
    assert field(head, "retry-after") == ""
    assert parse(WHOLE.replace(b"Content-Type: x", b"connection: Close")).closes


def test_a_request_is_bytes_made_once() -> None:
    head = head_of(Address.parse("http://[::1]:3000/prefix/"), "/predict?model=a", "image/png")

    assert request(head, b"pixels") == (
        b"POST /prefix/predict?model=a HTTP/1.1\r\nHost: [::1]:3000\r\nAccept-Encoding: identity\r\n"
        b"Content-Type: image/png\r\nContent-Length: 6\r\n\r\npixels"
    )


def test_an_address_needs_a_scheme_and_knows_its_port() -> None:
    assert Address.parse("https://shop.example") == Address("shop.example", 443, tls=True, prefix="")
    with pytest.raises(ValueError, match="write http://host:port"):
        Address.parse("localhost:3000")

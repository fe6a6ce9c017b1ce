"""A server that does nothing: one fixed answer to every request. What is measured against it is the generator.

    python benchmarks/load/null_server.py --port 4000
    python benchmarks/load/null_server.py --port 4000 --output probabilities --classes 10    answers as in the OIP

The standard library alone, so that nothing else could be slow.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys

CONTENT = b'{"predictions": [{"label": "0", "index": 0, "probability": 1.0}]}'
LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)


class Null(asyncio.Protocol):
    """One connection."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        """Answer every complete request."""
        self.buffer += data
        while (head := self.buffer.find(b"\r\n\r\n")) >= 0:
            length = LENGTH.search(self.buffer, 0, head)
            end = head + 4 + (int(length[1]) if length else 0)
            if len(self.buffer) < end:
                return
            self.buffer = self.buffer[end:]
            self.transport.write(self.answer)


def tensors(output: str, classes: int) -> bytes:
    """An answer of the Open Inference Protocol, as long as one of so many classes is."""
    data = [0.8765432] + [0.0123456] * (classes - 1)
    said = {"name": output, "datatype": "FP32", "shape": [1, classes], "data": data}
    return json.dumps({"model_name": "null", "outputs": [said]}).encode()


async def main(port: int, content: bytes) -> None:
    """Serve until killed."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(content)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Null(head + content), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--output", help="name of the tensor in every answer")
    parser.add_argument("--classes", type=int, default=10)
    options = parser.parse_args()
    try:
        asyncio.run(main(options.port, tensors(options.output, options.classes) if options.output else CONTENT))
    except KeyboardInterrupt:
        sys.exit(0)

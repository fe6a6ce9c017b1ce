"""A stand-in for a server of the Open Inference Protocol, run as a child process: one model, `toy`.

    python tests/benchmarks/fake_oip.py --port 4000 --metadata toy.json

It knows the right answer from the first number of a tensor: of UINT8 it is the class, of FP32 that over 255. It answers
in binary where it is told to, whatever was asked for, and with --key only those who show it.
"""

from __future__ import annotations

import argparse
import json
import math
import struct
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LENGTH = "Inference-Header-Content-Length"
options = argparse.ArgumentParser()
options.add_argument("--port", type=int, required=True)
options.add_argument("--metadata", type=Path, required=True, help="file with what GET /v2/models/toy answers")
options.add_argument("--binary-answer", action="store_true")
options.add_argument("--no-binary", action="store_true", help="binary tensors are refused with a 400")
options.add_argument("--key", help="API key without which every request but /readyz is a 401")
args = options.parse_args()
METADATA = json.loads(args.metadata.read_text())


def first_number(body: bytes, head: int | None) -> float:
    """Of the tensor, after checking that there are as many numbers as its shape says."""
    tensor = json.loads(body[:head])["inputs"][0]
    count = math.prod(tensor["shape"])
    if head is None:
        assert len(tensor["data"]) == count
        return tensor["data"][0]
    form = {"UINT8": "B", "FP32": "f"}[tensor["datatype"]]
    return struct.unpack(f"<{count}{form}", body[head:])[0]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body at once

    def do_GET(self) -> None:
        if self.path != "/readyz" and self.refused():
            return
        if self.path == "/v2/models/toy":
            self.say(200, METADATA)
        elif self.path.startswith("/v2/"):
            self.say(404, {"error": "unknown model"})
        else:
            self.say(200, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.refused():
            return
        if self.path == "/v2/repository/index":
            self.say(200, [{"name": "toy"}])
            return
        head = int(self.headers[LENGTH]) if LENGTH in self.headers else None
        if head is not None and args.no_binary:
            self.say(400, {"error": "expected JSON"})
            return
        number = first_number(body, head)
        label = round(255 * number) if METADATA["inputs"][0]["datatype"] == "FP32" else number
        output = METADATA["outputs"][0]
        scores = [float(place == label) for place in range(output["shape"][-1])]
        about = {"name": output["name"], "datatype": "FP32", "shape": [1, len(scores)]}
        if not args.binary_answer:
            self.say(200, {"model_name": "toy", "outputs": [{**about, "data": scores}]})
            return
        raw = struct.pack(f"<{len(scores)}f", *scores)
        self.say(200, {"outputs": [{**about, "parameters": {"binary_data_size": len(raw)}}]}, raw)

    def refused(self) -> bool:
        if args.key and self.headers["Authorization"] != f"Bearer {args.key}":
            self.say(401, {"error": "no key"})
            return True
        return False

    def say(self, status: int, document: object, tail: bytes = b"") -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        if tail:
            self.send_header(LENGTH, str(len(content)))
        self.send_header("Content-Length", str(len(content) + len(tail)))
        self.end_headers()
        self.wfile.write(content + tail)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


try:
    ThreadingHTTPServer(("127.0.0.1", args.port), Handler).serve_forever()
except KeyboardInterrupt:
    sys.exit(0)

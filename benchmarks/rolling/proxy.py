"""nginx in front of the servers, with the file that deploy/ ships: only its addresses are other ones."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.machine.children import ROOT, last_lines, start, stop
from benchmarks.machine.ports import free_port
from benchmarks.machine.server import ServerError

SHIPPED = ROOT / "deploy" / "nginx" / "nginx.conf"
PLACES = ("/usr/sbin/nginx", "/usr/local/sbin/nginx")  # Debian keeps it where only root looks
CHANGE_LIMIT = 60.0  # seconds until nginx's old workers must have gone


def find_nginx() -> str:
    """The program; RuntimeError where it is not installed."""
    found = shutil.which("nginx") or next((place for place in PLACES if Path(place).exists()), None)
    if found is None:
        raise RuntimeError("nginx is not installed; apt install nginx-light")
    return found


class Proxy:
    """A running nginx. `turn_to` sends it to other servers and ends when it has let go of those before."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder, self._file, self._log = folder, folder / "nginx.conf", folder / "nginx.log"

    def write(self, ports: Sequence[int]) -> None:
        """The shipped file with these servers."""
        text = SHIPPED.read_text()
        shipped = re.findall(r"^ *server 127\.0\.0\.1:\d+.*;\n", text, re.MULTILINE)
        servers = (re.sub(r":\d+", f":{port}", shipped[0]) for port in ports)
        text = text.replace("".join(shipped), "".join(servers))
        self._file.write_text(text.replace("listen 127.0.0.1:3000;", f"listen 127.0.0.1:{self.port};"))

    def begin(self) -> None:
        """Start it; it must be running before `turn_to`."""
        self._process = start([find_nginx(), "-c", str(self._file), "-p", str(self._folder), "-g", "daemon off;"],
                              log=self._log)
        deadline = time.monotonic() + CHANGE_LIMIT
        while not self._workers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise ServerError(f"nginx did not start; {self._log} ends with\n{last_lines(self._log)}")
            time.sleep(0.02)

    def turn_to(self, ports: Sequence[int]) -> float:
        """Ask these servers from now on; seconds until nothing of nginx talks to others any more."""
        before, begun = self._workers(), time.monotonic()
        self.write(ports)
        self._process.send_signal(1)  # SIGHUP: new workers with the new file, old ones finish what they have
        while before & self._workers() or not self._workers():
            if time.monotonic() - begun > CHANGE_LIMIT:
                raise ServerError(f"nginx kept its old workers; {self._log} ends with\n{last_lines(self._log)}")
            time.sleep(0.02)
        return time.monotonic() - begun

    def end(self) -> None:
        """Stop it."""
        stop(self._process)

    def _workers(self) -> set[int]:
        return {child.pid for child in psutil.Process(self._process.pid).children()
                if child.status() != psutil.STATUS_ZOMBIE}


@contextmanager
def proxied(folder: Path, ports: Sequence[int]) -> Iterator[Proxy]:
    """nginx before servers on these ports of this machine, for the length of a `with` block."""
    proxy = Proxy(folder)
    proxy.write(ports)
    proxy.begin()
    try:
        yield proxy
    finally:
        proxy.end()

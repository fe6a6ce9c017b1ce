"""nginx.conf: a real nginx with it, before servers of a few lines that hang, hang up, or are not there."""

from __future__ import annotations

import re

from _bentoml_impl.worker.service import main as worker
from process import REPOSITORY

TEXT = (REPOSITORY / "deploy" / "nginx" / "nginx.conf").read_text()


def test_nginx_closes_an_idle_connection_before_a_server_does() -> None:
    kept = next(parameter.default for parameter in worker.params if parameter.name == "timeout_keep_alive")

    assert int(re.findall(r"^ +keepalive_timeout (\d+)s;", TEXT, re.MULTILINE)[0]) < kept

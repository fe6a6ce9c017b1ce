"""The BentoML service; with `supervisor`, the only file that imports bentoml. Run it from the repository root:

    bentoml serve .

BentoML packages, starts and supervises the workers; every HTTP request is answered by our own application. Between
the two BentoML puts tracing, a timer task and a context for each request, which together cost several times what a
small model does, and routes (/, /readyz, /metrics) that say less than ours or load third-party scripts. So `Direct`
hands requests straight to the application and leaves BentoML the process's start and end.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import threading
from typing import Any

import bentoml
from _bentoml_sdk import Service  # type: ignore[import-untyped]
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.descriptors import raise_limit
from service.door import share
from service.protocol import install
from service.routes import build
from service.settings import SettingError, Settings
from service.supervisor import supervise

# What a worker has after its last answer, to write its log and let its job go. A thread that is at an image, or opens a
# model, cannot be stopped, and Python would wait for it: whoever asked for an end would have to kill.
LAST_S = 5.0

raise_limit()
supervise()
try:
    settings = Settings.of_server()
    app = build(settings)
except SettingError as error:  # BentoML would print a page of its own code before the sentence
    sys.exit(f"error: {error}")
# BentoML's handlers, which print time, level and worker, take what comes; its own level stays where it is.
logging.getLogger("weighbridge").setLevel(settings.log_level.upper())
install(settings, app.state.metrics)
share(settings.workers)


class Direct(Service[Any]):  # type: ignore[misc]
    """A BentoML service whose requests skip BentoML's own middleware and routes."""

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """What a worker serves: start and end go through BentoML, which runs the mounted application's own."""
        shell: ASGIApp = super().to_asgi(is_main)

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                # Half a million objects of imported modules stay for good. Looking through them for garbage holds up
                # every request for 40 to 70 ms; what is loaded later, models above all, can still be collected.
                gc.collect()
                gc.freeze()

                async def told() -> Message:
                    message = await receive()
                    if message["type"] == "lifespan.shutdown":
                        last = threading.Timer(LAST_S, os._exit, (0,))
                        last.daemon = True
                        last.start()
                    return message

                await shell(scope, told, send)
            else:
                await app(scope, receive, send)

        return serve


@bentoml.asgi_app(app, path="/")
@bentoml.service(
    name="weighbridge",
    service_class=Direct,
    workers=settings.workers,
    metrics={"enabled": False},             # ours are at /metrics
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},
)
class Weighbridge:
    """Answers /predict and /evaluate for every model on the shelf."""

"""A read-only API on this machine: JSON over HTTP, the same answers as the command line.

    GET /indexes                                    what there is
    GET /indexes/LC10/decision?date=2024-06-03      composition, reasons, hashes
    GET /indexes/LC10/explain?date=…&coin=tether    step by step, or one coin
    GET /indexes/LC10/levels?start=…&end=…          level of each day, returns
    GET /indexes/SMART10/signals?date=…             label, score, conviction
    GET /prices?ids=bitcoin,ethereum&date=…         what was known of coins
    GET /alerts?date=…                              what somebody should look at

Nothing can be changed through it and no file can be named. Mistakes are {"error": {kind, message}} with 400 or 404. Put a server that
knows names, keys and limits in front of it before anybody else may ask.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from offchain.errors import BadRequest, BallastError, NotFound, ServiceError, did_you_mean
from offchain.service.answers import json_text
from offchain.service.desk import Answer, Desk

HOST = "127.0.0.1"
log = logging.getLogger(__name__)

Query = Mapping[str, str]
# name: (parameters, answer)
OF_AN_INDEX: dict[str, tuple[tuple[str, ...], Callable[[Desk, str, Query], Answer]]] = {
    "decision": (("date",), lambda desk, symbol, q: desk.decision(symbol, q.get("date", ""))),
    "explain": (
        ("date", "coin"),
        lambda desk, symbol, q: desk.explanation(symbol, q.get("date", ""), q.get("coin", "")),
    ),
    "levels": (("start", "end"), lambda desk, symbol, q: desk.levels(symbol, q.get("start", ""), q.get("end", ""))),
    "signals": (("date",), lambda desk, symbol, q: desk.signals(symbol, q.get("date", ""))),
}
OF_ALL: dict[str, tuple[tuple[str, ...], Callable[[Desk, Query], Answer]]] = {
    "indexes": ((), lambda desk, q: desk.indexes()),
    "prices": (("ids", "date"), lambda desk, q: desk.prices(_names(q.get("ids", "")), q.get("date", ""))),
    "alerts": (("date",), lambda desk, q: {"alerts": desk.alerts(q.get("date", ""))}),
}


def answer(desk: Desk, target: str) -> tuple[int, Answer]:
    """(status, document) of a request's target, such as "/indexes/LC10/decision?date=2024-06-03"."""
    try:
        return 200, _route(desk, target)
    except NotFound as error:
        return 404, _error(error)
    except BallastError as error:
        return 400, _error(error)


def server(desk: Desk, *, port: int, host: str = HOST) -> ThreadingHTTPServer:
    """Listens already; call serve_forever. Port 0 takes any free one. Raises ServiceError."""
    lock = threading.Lock()  # a market remembers what it has computed, and is asked by one at a time

    class Handler(BaseHTTPRequestHandler):
        server_version, sys_version = "ballast", ""
        timeout = 30  # seconds for a request to be said

        def do_GET(self) -> None:
            try:
                with lock:
                    status, document = answer(desk, self.path)
                body = json_text(document).encode()
            except Exception:  # the one who asks is told that it is our fault; the reason is in the log
                log.exception("request=%s failed", self.path)
                status, body = 500, json_text({"error": {"kind": "InternalError", "message": "see the log"}}).encode()
            self._send(status, body)

        def _refuse(self) -> None:
            message = f"{self.command} is not possible: this API only reads; use GET"
            self._send(405, json_text({"error": {"kind": "BadRequest", "message": message}}).encode())

        do_POST = do_PUT = do_DELETE = do_PATCH = _refuse

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Content-Type-Options", "nosniff")
            if status == 405:
                self.send_header("Allow", "GET")
                self.close_connection = True  # what was sent along is not read
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *values: object) -> None:
            log.info("client=%s %s", self.client_address[0], format % values)

    try:
        return ThreadingHTTPServer((host, port), Handler)
    except (OSError, OverflowError) as error:
        raise ServiceError(f"cannot listen on {host}:{port} ({error}); choose another port with --port") from error


def _route(desk: Desk, target: str) -> Answer:
    url = urlsplit(target)
    path = [unquote(part) for part in url.path.split("/") if part]
    if len(path) == 1 and path[0] in OF_ALL:
        known, whole = OF_ALL[path[0]]
        return whole(desk, _query(url.query, known))
    if len(path) == 3 and path[0] == "indexes" and path[2] in OF_AN_INDEX:
        known, part = OF_AN_INDEX[path[2]]
        desk.rules(path[1])  # which index, before how it is asked
        return part(desk, path[1], _query(url.query, known))
    places = ", ".join([*(f"/{name}" for name in OF_ALL), *(f"/indexes/SYMBOL/{name}" for name in OF_AN_INDEX)])
    raise NotFound(f"no such page {url.path}; there is {places}")


def _query(text: str, known: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        if name not in known:
            raise BadRequest(
                f"{name}: no such parameter.{did_you_mean(name, known)} Known: {', '.join(known) or 'none'}"
            )
        if name in found:
            raise BadRequest(f"{name} is given twice; give it once")
        found[name] = value
    return found


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _error(error: BallastError) -> Answer:
    return {"error": {"kind": type(error).__name__, "message": str(error)}}

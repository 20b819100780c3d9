"""A process to supervise: answers GET /healthz on PORT, and ends by itself once FILE exists.

usage: fake_service.py PORT [--fail] [--deaf] [--child PID_FILE] [--ignore-sigterm]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    """Answers /healthz, and /env with the environment it was given."""

    def do_GET(self) -> None:
        body = json.dumps(dict(os.environ) if self.path == "/env" else {"ok": True}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serve until a signal comes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--fail", action="store_true", help="say why on standard error and end with status 7")
    parser.add_argument("--fail-if", type=Path, help="fail when this file exists")
    parser.add_argument("--deaf", action="store_true", help="live without ever answering")
    parser.add_argument("--deaf-while", type=Path, help="do not answer before this file is gone")
    parser.add_argument("--child", type=Path, help="start a child of its own and write its pid here")
    parser.add_argument("--stubborn", action="store_true", help="take no notice of SIGTERM")
    parser.add_argument("--journal", type=Path, help="append a line to this file on SIGTERM")
    options = parser.parse_args()
    if options.fail or (options.fail_if and options.fail_if.exists()):
        sys.exit("the fake service cannot find its spoon")
    if options.child:
        child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
        options.child.write_text(str(child.pid))
    if options.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: _end(options.journal, options.port))
    while options.deaf_while and options.deaf_while.exists():
        signal.sigtimedwait([signal.SIGUSR1], 0.02)
    if options.deaf:
        while True:
            signal.pause()
    HTTPServer(("127.0.0.1", options.port), Handler).serve_forever()


def _end(journal: Path | None, port: int) -> None:
    if journal:
        with journal.open("a") as file:
            file.write(f"{port}\n")
    os._exit(0)


if __name__ == "__main__":
    main()

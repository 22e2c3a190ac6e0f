"""A local Stripe server: localstripe, in a process of its own, since its licence (GPL) is not ours and none of our code
may be one with it. It charges nobody, and keeps nothing.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from server.demo.ports import HOST, free_port

# It ends when its input does: also where whoever started it was killed.
STARTING = """
import os, sys, threading
from aiohttp import web
import localstripe.server as local
local.store.dump_to_disk = lambda: None
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
web.run_app(local.app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
"""
# It takes any that begins so.
SECRET_KEY = "sk_test_countersign"  # noqa: S105
PAYING_METHOD = "pm_card_visa"
DECLINED_METHOD = "pm_card_chargeCustomerFail"
PATIENCE_SECONDS = 20.0


@contextmanager
def charging_nobody() -> Iterator[str]:
    """Its URL."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", STARTING, str(port)], stdin=subprocess.PIPE)
    try:
        _wait_for(process, port)
        yield f"http://{HOST}:{port}"
    finally:
        process.terminate()
        process.communicate()


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError("the local Stripe server did not start")

"""The demo's Stripe server: its test cards do as the demo says, and it never outlives the demo."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from contextlib import suppress
from datetime import timedelta

import httpx

from models.money import Money
from resolvers.gateways.gateway import Charge, Declined, Succeeded
from server.demo.local_stripe import DECLINED_METHOD, PAYING_METHOD, SECRET_KEY, charging_nobody
from server.gateways.stripe import StripeGateway
from server.settings import ROOT

NAME = "localstripe"
FOLDERS = ("models", "resolvers", "schema", "graphiql", "server", "tests")
HOLDING = """
from server.demo.local_stripe import charging_nobody
with charging_nobody() as url:
    print(url, flush=True)
    input()
"""


async def test_one_card_of_the_demo_pays_and_the_other_does_not() -> None:
    with charging_nobody() as url:
        gateway, ten = StripeGateway(SECRET_KEY, None, url), Money(1_000, "USD")
        try:
            paid = await gateway.charge(Charge(reference="pay_1", amount=ten, payment_method=PAYING_METHOD))
            again = await gateway.charge(Charge(reference="pay_2", amount=ten, payment_method=PAYING_METHOD))
            refused = await gateway.charge(Charge(reference="pay_3", amount=ten, payment_method=DECLINED_METHOD))
        finally:
            gateway.close()
    assert (type(paid), type(again), type(refused)) == (Succeeded, Succeeded, Declined)


def test_it_ends_with_a_demo_that_is_killed() -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDING], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout
    url = holder.stdout.readline().decode().strip()
    assert listens(url)
    holder.kill()
    holder.communicate()
    until = time.monotonic() + timedelta(seconds=10).total_seconds()
    while listens(url):
        assert time.monotonic() < until, "it goes on without the demo"


def listens(url: str) -> bool:
    with suppress(httpx.TransportError):
        return bool(httpx.get(url).status_code)
    return False


def test_none_of_our_code_imports_it() -> None:
    """Its licence is the GPL, and ours is not."""
    for folder in FOLDERS:
        for file in (ROOT / folder).rglob("*.py"):
            if "node_modules" not in file.parts:
                text = file.read_text(encoding="utf-8")
                assert NAME not in text or NAME not in set(imported(ast.parse(text))), file


def imported(module: ast.Module) -> list[str]:
    names = [alias.name for node in ast.walk(module) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in ast.walk(module) if isinstance(node, ast.ImportFrom)]
    return [name.split(".")[0] for name in names]

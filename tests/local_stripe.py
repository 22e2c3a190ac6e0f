"""The local Stripe server of the demo, what a card's owner does there, and a line that answers get lost on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import httpx

from server.demo.local_stripe import SECRET_KEY, charging_nobody
from server.demo.ports import free_port

__all__ = ["SECRET_KEY", "free_port"]

GOOD_CARD = "4242424242424242"
DECLINED_CARD = "4000000000000341"
CONFIRMED_CARD = "4000002500003155"


@dataclass(frozen=True)
class LocalStripe:
    """Where it listens; and what a card's owner does in the browser, with Stripe's own script."""

    url: str

    def method(self, number: str) -> str:
        """What the script makes of a card: only that is sent to us."""
        form = {"type": "card", "card[number]": number, "card[exp_month]": 12, "card[exp_year]": 2040}
        return str(self._post("/v1/payment_methods", {**form, "card[cvc]": "123"})["id"])

    def authenticate(self, gateway_reference: str, client_secret: str, *, success: bool) -> None:
        """The owner confirms, or does not."""
        said = {"client_secret": client_secret, "success": str(success).lower()}
        self._post(f"/v1/payment_intents/{gateway_reference}/_authenticate", said)

    def charged(self, reference: str) -> int:
        """How many charges of ours it has taken under a reference."""
        asked = httpx.get(f"{self.url}/v1/payment_intents", params={"limit": 100}, auth=(SECRET_KEY, ""))
        return sum(
            one["status"] == "succeeded" and one["metadata"].get("reference") == reference
            for one in asked.json()["data"]
        )

    def refunded(self, reference: str) -> int:
        asked = httpx.get(f"{self.url}/v1/refunds", params={"limit": 100}, auth=(SECRET_KEY, ""))
        return sum(one["amount"] for one in asked.json()["data"] if one["metadata"].get("reference") == reference)

    def _post(self, path: str, form: Mapping[str, object]) -> dict[str, object]:
        answer = httpx.post(self.url + path, data=form, auth=(SECRET_KEY, ""))
        answer.raise_for_status()
        said: dict[str, object] = answer.json()
        return said


@contextmanager
def running_stripe() -> Iterator[LocalStripe]:
    with charging_nobody() as url:
        yield LocalStripe(url)


class Swallowing:
    """A proxy that hands every request on, and keeps the answers to itself."""

    def __init__(self, url: str) -> None:
        self._host, _, port = url.removeprefix("http://").partition(":")
        self._port = int(port)
        self._server: asyncio.Server | None = None
        # Once for each answer that was kept.
        self.swallowed = asyncio.Semaphore(0)

    async def __aenter__(self) -> Swallowing:
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *problem: object) -> None:
        assert self._server
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        assert self._server
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, towards = await asyncio.open_connection(self._host, self._port)
        answers = asyncio.create_task(self._swallow(behind))
        while sent := await reader.read(65_536):
            towards.write(sent)
        for end in (towards, writer):
            end.close()
        await answers

    async def _swallow(self, behind: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while await behind.read(65_536):
                self.swallowed.release()

"""The traffic of a soak: what a portal's people, its staff, and strangers do to a running server.

Each kind is one act of somebody, of one request or a few, and says of each answer which status it had. Refused attacks
must be refused; clients that hang up do so half-way through their request, or through its answer.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx

from graphiql.operations import Operation, load_operations
from models.ids import encode_id, parse_id
from server.demo.local_stripe import DECLINED_METHOD, PAYING_METHOD
from tests.vouchering import Shop, Stocked

CART = "cart { id version due { amount currency } } userErrors { code }"
PAID = "checkout { state } order { id } userErrors { code }"
TRIES_OF_AN_ID = 12
_numbers = count(1)


@dataclass
class Portal:
    """A running server with the demo's clients and a program that sells fees; and who comes there."""

    client: httpx.AsyncClient
    host: str
    port: int
    staff: str
    people: Sequence[str]
    market: Shop
    vouchers: list[Stocked]
    answered: Counter[str] = field(default_factory=Counter)
    # What of the server's own was at fault, in words.
    faults: list[str] = field(default_factory=list)
    questions: list[tuple[Operation, dict[str, Any]]] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)
    # Of each act and each question: how long it took, in seconds.
    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    async def ask(self, token: str, query: str, **variables: Any) -> dict[str, Any]:
        """The data, if there is any; what is refused has none."""
        sent = {"query": query, "variables": variables}
        answer = await self.client.post("/graphql", json=sent, headers=_signed_in(token))
        self.note("graphql", answer)
        told = answer.json()
        if any((error.get("extensions") or {}).get("code") == "INTERNAL" for error in told.get("errors", ())):
            self.faults.append(f"INTERNAL: {query[:80]}")
        data: dict[str, Any] = told.get("data") or {}
        return data

    def note(self, kind: str, answer: httpx.Response) -> None:
        self.answered[f"{kind} {answer.status_code}"] += 1
        if answer.status_code >= 500 and answer.status_code != 504:
            self.faults.append(f"{answer.status_code}: {kind} {answer.request.url.path}")

    def does(self, token: str, deed: str, shown: str, **given: Any) -> Awaitable[dict[str, Any]]:
        kind = deed[0].upper() + deed[1:]
        query = f"mutation ($input: {kind}Input!) {{ done: {deed}(input: $input) {{ {shown} }} }}"
        return self.ask(token, query, input=given)

    @property
    def person(self) -> str:
        return random.choice(self.people)


def _signed_in(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


# ------------------------------------------------------------------------------------------ what can be asked


async def learn_questions(portal: Portal) -> None:
    """Every query of the explorer that has an answer here: as it is offered, or with an id that others have shown."""
    ids: set[str] = set()
    waiting = [one for one in load_operations() if one.query.lstrip().startswith("query")]
    for _ in range(2):
        for operation in list(waiting):
            for variables in _ways(operation, ids):
                data = await portal.ask(portal.staff, operation.query, **variables)
                if data and any(value is not None for value in data.values()):
                    ids |= set(_ids_in(data))
                    portal.questions.append((operation, variables))
                    waiting.remove(operation)
                    break


def _ways(operation: Operation, ids: set[str]) -> Iterator[dict[str, Any]]:
    empty = [name for name, value in operation.variables.items() if value == ""]
    if not empty:
        yield dict(operation.variables)
        return
    kinds = {parse_id(one)[0]: one for one in sorted(ids)}
    for one in list(kinds.values())[:TRIES_OF_AN_ID]:
        yield {**operation.variables, **dict.fromkeys(empty, one)}


def _ids_in(data: Any) -> Iterator[str]:
    if isinstance(data, dict):
        for value in data.values():
            yield from _ids_in(value)
    elif isinstance(data, list):
        for value in data:
            yield from _ids_in(value)
    elif isinstance(data, str) and parse_id(data)[0]:
        yield data


# -------------------------------------------------------------------------------------------- who means well


async def looks_something_up(portal: Portal) -> None:
    operation, variables = random.choice(portal.questions)
    began = time.perf_counter()
    await portal.ask(portal.staff, operation.query, **variables)
    portal.took[operation.name].append(time.perf_counter() - began)


async def sees_a_page(portal: Portal) -> None:
    path = random.choice(["/admin", "/explorer", "/admin/billing?date=2017-09-01", "/health/ready", "/sign-in"])
    portal.note("page", await portal.client.get(path, headers=_signed_in(portal.staff)))


async def downloads(portal: Portal) -> None:
    """A list of learners, or the paper of an order."""
    paths = ["/exports/learners.csv?organization=xtra-lease&on=2017-09-01"]
    paths += [f"/receipts/{order}.pdf" for order in portal.orders[-20:]]
    portal.note("download", await portal.client.get(random.choice(paths), headers=_signed_in(portal.staff)))


async def activates_a_learner(portal: Portal) -> None:
    external = {"organization": {"slug": "xtra-lease"}, "externalId": f"SOAK-{random.randrange(500)}"}
    learner = {"external": external}
    profile = {"name": "Sam Soak"}
    start = {"on": f"2019-{random.randrange(1, 12):02}-01"}
    shown = "changed userErrors { code }"
    await portal.does(portal.staff, "learnerActivate", shown, learner=learner, start=start, profile=profile)
    end = {"lastDay": "2019-12-31"}
    await portal.does(portal.staff, "learnerDeactivate", shown, learner=learner, end=end)


async def pays_fees(portal: Portal) -> None:
    """A cart, a voucher as far as there are any, and a card for the rest; now and then one that is declined."""
    who, market = portal.person, portal.market
    fee = encode_id("Product", market.program_id, market.fee_id)
    lines, key = [{"product": fee, "quantity": random.randrange(1, 4)}], f"soak-{next(_numbers)}"
    made = await portal.does(who, "cartCreate", CART, lines=lines, idempotencyKey=key)
    cart = _cart(made)
    if cart and portal.vouchers:
        seen = {"cart": cart["id"], "expectedVersion": cart["version"]}
        code = portal.vouchers.pop().code
        cart = _cart(await portal.does(who, "cartVoucherApply", CART, **seen, by={"code": code})) or cart
    if cart:
        seen = {"cart": cart["id"], "expectedVersion": cart["version"], "expectedDue": cart["due"]}
        method = random.choice([PAYING_METHOD, PAYING_METHOD, PAYING_METHOD, DECLINED_METHOD])
        how = {"paymentMethod": method, "idempotencyKey": f"{key}-pay"}
        paid = (await portal.does(who, "cartComplete", PAID, **seen, **how)).get("done") or {}
        portal.orders += [paid["order"]["id"]] if paid.get("order") else []


def _cart(told: dict[str, Any]) -> dict[str, Any] | None:
    cart: dict[str, Any] | None = (told.get("done") or {}).get("cart")
    return cart


# --------------------------------------------------------------------------------------- who does not, or leaves


async def guesses_a_code(portal: Portal) -> None:
    seen = {"cart": encode_id("Cart", portal.market.program_id, 1), "expectedVersion": 1}
    code = f"{random.getrandbits(64):016X}"
    await portal.does(portal.person, "cartVoucherApply", CART, **seen, by={"code": code})


def _bomb() -> str:
    chain = " ".join(f"fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }}" for n in range(25))
    return f"{{ ...f0 }} {chain} fragment f25 on Query {{ __typename }}"


ATTACKS: list[tuple[str, bytes]] = [
    ("fragments", b'{"query": "%s"}' % _bomb().encode()),
    ("aliases", b'{"query": "{ %s }"}' % b" ".join(b"a%d: __typename" % n for n in range(900))),
    ("deep JSON", b'{"query": "{ __typename }", "variables": %s}' % (b'{"a": ' * 5_000 + b"1" + b"}" * 5_000)),
    ("bad UTF-8", b'{"query": "\xff\xfe"}'),
    ("lone surrogate", rb'{"query": "{ a(b: \"\ud800\") }"}'),
    ("too large", b'{"query": "%s"}' % (b" " * 400_000)),
    ("a list", b'[{"query": "{ __typename }"}]'),
    ("introspection", b'{"query": "{ __schema { types { fields { type { fields { name } } } } } }"}'),
    ("no JSON", b"query"),
    ("foreign id", b'{"query": "{ node(id: \\"T3JnYW5pemF0aW9uOjE\\") { id } }"}'),
]


async def attacks(portal: Portal) -> None:
    name, body = random.choice(ATTACKS)
    token = random.choice([portal.person, "cs_nothing"])
    headers = {**_signed_in(token), "content-type": "application/json"}
    # A server may answer a body that is too large and close before it was read.
    with suppress(httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
        portal.note(f"attack: {name}", await portal.client.post("/graphql", content=body, headers=headers))


async def hangs_up(portal: Portal) -> None:
    """In the midst of the head, of the body, before the answer, or after its first bytes."""
    body = b'{"query": "{ organizations(first: 50) { nodes { name } } }"}'
    head = f"POST /graphql HTTP/1.1\r\nHost: soak\r\nAuthorization: Bearer {portal.staff}\r\n"
    whole = head.encode() + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    export = "GET /exports/learners.csv?organization=xtra-lease&on=2017-09-01 HTTP/1.1\r\nHost: soak\r\n"
    download = f"{export}Authorization: Bearer {portal.staff}\r\n\r\n".encode()
    sent, answer_bytes = random.choice([(whole[:40], 0), (whole[:-10], 0), (whole, 0), (whole, 1), (download, 10)])
    with suppress(OSError):
        reader, writer = await asyncio.open_connection(portal.host, portal.port)
        writer.write(sent)
        await writer.drain()
        if answer_bytes:
            await asyncio.wait_for(reader.read(answer_bytes), 30)
        writer.transport.abort()
    portal.answered["hung up"] += 1


Act = Callable[[Portal], Awaitable[None]]
# Of a hundred acts. Requests are about twice as many.
BUSY: dict[Act, int] = {
    looks_something_up: 45,
    pays_fees: 18,
    sees_a_page: 10,
    activates_a_learner: 8,
    downloads: 5,
    guesses_a_code: 3,
    attacks: 6,
    hangs_up: 5,
}


async def one_act(portal: Portal) -> None:
    (act,) = random.choices(list(BUSY), list(BUSY.values()))
    began = time.perf_counter()
    try:
        await act(portal)
        portal.took[act.__name__].append(time.perf_counter() - began)
    except httpx.HTTPError as problem:
        portal.faults.append(f"{type(problem).__name__}: {act.__name__}")

"""A local gateway of the Payflow Pro kind: names and values over HTTP, a page with a form, a silent post that nobody
signs, and inquiries. It runs in a process of its own (`python tests/local_payflow.py PORT`) and keeps nothing.
"""

from __future__ import annotations

import html
import secrets
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

VENDOR, PASSWORD = "countersign", "a-password"
GOOD_CARD = "4111111111111111"
DECLINED_CARD = "4000000000000002"


@dataclass(frozen=True)
class LocalPayflow:
    url: str

    def say(self, **switches: str) -> None:
        """How it misbehaves: silent=off tells nothing by itself, charge=AMOUNT charges another amount than was pinned,
        answer=off does what it is asked and hangs up, refunds=off refuses them."""
        self._post("/control", switches)

    def pay(self, page: str, card: str) -> dict[str, str]:
        """What a browser does on the page: types a card, and is sent back with these fields."""
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(page).query))
        return dict(urllib.parse.parse_qsl(self._post("/pay", {**query, "ACCT": card})))

    def charged(self, invoice: str) -> list[str]:
        """The amounts of the charges under an invoice number."""
        return self._post("/charged", {"INVNUM": invoice}).split()

    def _post(self, path: str, form: dict[str, str]) -> str:
        return httpx.post(self.url + path, data=form, timeout=10).text


@contextmanager
def running_payflow() -> Iterator[LocalPayflow]:
    process = subprocess.Popen([sys.executable, __file__, "0"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        port = process.stdout.readline().strip()
        if not port:
            raise RuntimeError("the local Payflow server did not start")
        yield LocalPayflow(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.communicate()


# ---------------------------------------------------------------------------------------------- the server


class Refused(Exception):
    """With a RESULT and a sentence."""


class Books:
    """Tokens, and every transaction that was tried, the first first."""

    def __init__(self) -> None:
        self.tokens: dict[str, dict[str, str]] = {}
        self.transactions: list[dict[str, str]] = []
        self.switches: dict[str, str] = {}
        self.lock = threading.Lock()

    def answer(self, asked: dict[str, str]) -> dict[str, str]:
        if (asked.get("VENDOR"), asked.get("PWD")) != (VENDOR, PASSWORD):
            raise Refused(1, "User authentication failed")
        if asked.get("CREATESECURETOKEN") == "Y":
            return self._token(asked)
        kinds = {"I": self._inquire, "D": self._of_original, "V": self._of_original, "C": self._of_original}
        if asked.get("TRXTYPE") not in kinds:
            raise Refused(3, "Invalid transaction type")
        return kinds[asked["TRXTYPE"]](asked)

    def _token(self, asked: dict[str, str]) -> dict[str, str]:
        if asked["SECURETOKENID"] in self.tokens or asked["TRXTYPE"] not in ("S", "A"):
            raise Refused(7, "Field format error")
        token = secrets.token_hex(16)
        self.tokens[asked["SECURETOKENID"]] = {**asked, "SECURETOKEN": token, "USED": ""}
        return {"RESPMSG": "Approved", "SECURETOKEN": token, "SECURETOKENID": asked["SECURETOKENID"]}

    def pay(self, form: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """The token, and what is told of the payment."""
        token = self.tokens.get(form.get("SECURETOKENID", ""))
        if token is None or token["SECURETOKEN"] != form.get("SECURETOKEN") or token["USED"]:
            raise Refused(160, "Secure token is not valid or was used")
        declined = form.get("ACCT") != GOOD_CARD
        token["USED"] = "" if declined else "Y"
        state = "1" if declined else {"S": "6", "A": "3"}[token["TRXTYPE"]]
        tried = self._keep(token, token["TRXTYPE"], self.switches.get("charge") or token["AMT"], state)
        tried["RESULT"] = "12" if declined else "0"
        told = {name: tried[name] for name in ("RESULT", "PNREF", "AMT", "INVNUM")}
        secure = {name: token[name] for name in ("SECURETOKEN", "SECURETOKENID")}
        return token, {**told, **secure, "RESPMSG": "Declined" if declined else "Approved"}

    def _keep(self, asked: dict[str, str], kind: str, amount: str, state: str) -> dict[str, str]:
        tried = {"PNREF": "A" + secrets.token_hex(5).upper()[:11], "KIND": kind, "AMT": amount, "TRANSSTATE": state}
        tried |= {"RESULT": "0", "INVNUM": asked.get("INVNUM", ""), "CUSTREF": asked.get("CUSTREF", "")}
        tried |= {"GIVENBACK": "0", "ORIGID": asked.get("ORIGID", "")}
        self.transactions.append(tried)
        return tried

    def _inquire(self, asked: dict[str, str]) -> dict[str, str]:
        """The last one with that customer reference."""
        found = [one for one in self.transactions if one["CUSTREF"] == asked.get("CUSTREF")]
        if not found:
            raise Refused(19, "Original transaction ID not found")
        last = found[-1]
        said = {name: last[name] for name in ("TRANSSTATE", "AMT", "INVNUM", "CUSTREF")}
        said |= {"ORIGRESULT": last["RESULT"], "ORIGPNREF": last["PNREF"], "PNREF": "AINQUIRY0000"}
        return {**said, "RESPMSG": "Approved" if last["RESULT"] == "0" else "Declined"}

    def _of_original(self, asked: dict[str, str]) -> dict[str, str]:
        original = next((one for one in self.transactions if one["PNREF"] == asked.get("ORIGID")), None)
        if original is None:
            raise Refused(19, "Original transaction ID not found")
        kind = asked["TRXTYPE"]
        if kind == "C":
            self._give_back(original, asked)
        elif original["TRANSSTATE"] != "3":
            raise Refused(111 if kind == "D" else 108, "Capture or void error")
        else:
            original["TRANSSTATE"] = "9" if kind == "D" else "108"
        made = self._keep(asked, kind, asked.get("AMT", original["AMT"]), "6")
        return {"PNREF": made["PNREF"], "RESPMSG": "Approved"}

    def _give_back(self, original: dict[str, str], asked: dict[str, str]) -> None:
        back = float(original["GIVENBACK"]) + float(asked["AMT"])
        if self.switches.get("refunds") == "off" or back > float(original["AMT"]):
            raise Refused(117, "Failed merchant rule check")
        original["GIVENBACK"] = str(back)

    def charged(self, invoice: str) -> list[str]:
        own = [one for one in self.transactions if one["INVNUM"] == invoice and one["RESULT"] == "0"]
        return [one["AMT"] for one in own if one["KIND"] in ("S", "D")]


class Handler(BaseHTTPRequestHandler):
    books = Books()

    def do_GET(self) -> None:
        query = urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query)
        hidden = "".join(f'<input type="hidden" name="{html.escape(k)}" value="{html.escape(v)}">' for k, v in query)
        self._say(f'<form method="post" action="/pay">{hidden}<input name="ACCT"><button>Pay</button></form>')

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        acts = {"/control": self._control, "/pay": self._pay, "/charged": self._charged}
        try:
            acts.get(self.path, self._transaction)(body)
        except Refused as problem:
            result, why = problem.args
            self._say(f"RESULT={result}&RESPMSG={why}")

    def _transaction(self, body: str) -> None:
        with self.books.lock:
            answer = self.books.answer(_fields(body))
        if self.books.switches.get("answer") == "off":
            self.close_connection = True
            return
        self._say("&".join(f"{name}={value}" for name, value in {"RESULT": "0", **answer}.items()))

    def _pay(self, body: str) -> None:
        with self.books.lock:
            token, told = self.books.pay(dict(urllib.parse.parse_qsl(body)))
        form = urllib.parse.urlencode(told)
        if self.books.switches.get("silent") != "off":
            with suppress(httpx.HTTPError):
                httpx.post(token["SILENTPOSTURL"], data=told, timeout=10)
        self._say(form)

    def _control(self, body: str) -> None:
        self.books.switches = dict(urllib.parse.parse_qsl(body))
        self._say("")

    def _charged(self, body: str) -> None:
        self._say(" ".join(self.books.charged(dict(urllib.parse.parse_qsl(body))["INVNUM"])))

    def _say(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *said: object) -> None:
        pass


def _fields(body: str) -> dict[str, str]:
    """NAME[7]=a value=& of as many characters as is said, so that a value may hold anything."""
    fields: dict[str, str] = {}
    while body:
        name, _, rest = body.partition("=")
        name, _, length = name.removesuffix("]").partition("[")
        end = int(length) if length else (rest.find("&") if "&" in rest else len(rest))
        fields[name], body = rest[:end], rest[end + 1 :]
    return fields


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()

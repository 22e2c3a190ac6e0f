"""The explorer's operations that take an id run with the ids that others show, as somebody would run them by hand."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from typing import Any

from graphiql.operations import load_operations
from schema.context import Context
from schema.root import schema
from server.database import Database
from server.signing import KeySigner
from tests.asking import NOW, STAFF
from tests.signers import signer

OPERATIONS = {operation.name: operation for operation in load_operations()}
BILLING_TOPICS = {"Billing", "Disputes", "Evidence", "People"}


@dataclass
class Explorer:
    """Runs operations as they are offered, but for what is given."""

    database: Database
    signer: KeySigner = field(default_factory=signer)
    now: dt.datetime = NOW
    run_so_far: set[str] = field(default_factory=set)

    async def run(self, name: str, **given: Any) -> Any:
        """What the only field of the operation answers; given is about its input where it has one."""
        operation = OPERATIONS[name]
        variables: dict[str, Any] = {**operation.variables, **given}
        if "input" in operation.variables:
            variables = {"input": {**operation.variables["input"], **given}}  # type: ignore[dict-item]
        context = Context(STAFF, self.now, self.database.reading, self.database.run, signer=self.signer)
        result = await schema.execute(operation.query, variable_values=variables, context_value=context)
        assert result.errors is None, (name, result.errors)
        (answer,) = (result.data or {}).values()
        assert not (isinstance(answer, dict) and answer.get("userErrors")), (name, answer["userErrors"])
        self.run_so_far.add(name)
        return answer

    async def invoice(self) -> Any:
        return (await self.run("Invoices"))["invoices"]["nodes"][0]


async def test_every_operation_that_takes_an_id_runs_with_one_that_another_shows(demo: Database) -> None:
    explorer = Explorer(demo)
    await of_disputes(explorer)
    await of_bills(explorer)
    await of_evidence(explorer)
    await of_people(explorer)
    takes_an_id = {
        name
        for name, operation in OPERATIONS.items()
        if operation.topic in BILLING_TOPICS and '""' in json.dumps(operation.variables)
    }
    # What the nightly check opens, approvals of what was found later, and erased accounts have tests of their own.
    assert takes_an_id - explorer.run_so_far == {"DisputeAdjust", "AdjustmentApprove", "AccountErase"}


async def of_disputes(explorer: Explorer) -> None:
    line = (await explorer.invoice())["lines"][0]["id"]
    opened = (await explorer.run("DisputeOpen", lines=[{"line": line}]))["dispute"]
    assert opened["atStake"] == {"amount": "37.50", "currency": "USD"}
    first = {"dispute": opened["id"]}
    for step in ("Message", "Assign", "DeadlineSet", "MinutesAdd", "SendToClient", "SendToStaff", "EvidenceAttach"):
        await explorer.run(f"Dispute{step}", **first)
    resolved = (await explorer.run("DisputeResolve", **first))["dispute"]
    assert (resolved["resolution"], resolved["minutesSpent"]) == ("REJECTED", 2)
    await explorer.run("DisputeClose", **first)
    second = (await explorer.run("DisputeOpen", lines=[{"line": line, "quantity": 1}]))["dispute"]
    await explorer.run("DisputeWithdraw", dispute=second["id"])
    assert (await explorer.run("Disputes"))["totalCount"] == 2
    assert (await explorer.run("DisputeReport"))["resolved"] == 2


async def of_bills(explorer: Explorer) -> None:
    paid = (await explorer.run("InvoicePaymentRecord", invoice=(await explorer.invoice())["id"]))["invoice"]
    assert paid["state"] == "PAID"
    (term,) = (await explorer.run("ContractTerms"))["contractTerms"]["nodes"]
    # So few that the client is over from then on.
    amended = (await explorer.run("ContractTermAmend", term=term["id"], quantity=300))["term"]
    for date in ("2018-01-01", "2018-02-01"):
        await explorer.run("BillingSnapshotRun", date=date, dryRun=False)
    draft = await explorer.invoice()
    assert draft["state"] == "DRAFT"
    await explorer.run("InvoiceCancel", invoice=draft["id"])
    shown = (await explorer.run("Invoices"))["invoices"]["nodes"][1]
    await explorer.run("InvoiceChallengeOpen", invoice=shown["id"])
    await explorer.run("InvoiceLineAccept", line=shown["lines"][0]["id"])
    await explorer.run("InvoiceIssue", invoice=shown["id"])
    await explorer.run("ContractTermEnd", term=amended["id"])
    await of_lost_dates(explorer)


async def of_lost_dates(explorer: Explorer) -> None:
    await explorer.run("BillingSnapshotRun", date="2017-09-15", dryRun=False)
    month = await explorer.run("BillingMonth", date="2017-09-15")
    baptist = next(one for one in month["nodes"] if one["count"] == {"exact": None, "min": 244, "max": 253})
    bounds = (await explorer.run("UncertainApprove", snapshot=baptist["id"]))["invoice"]
    assert [line["quantity"] for line in bounds["lines"]] == [4, 2]
    september = {"from": "2017-09-01", "through": "2017-09-01"}
    (counted,) = (await explorer.run("CountedByName", date=september))["billingSnapshots"]["nodes"]
    left_out = {"external": {"organization": {"slug": "xtra-lease"}, "externalId": "XTRALEASE-0182"}}
    await explorer.run("BillingExclusionSet", learner=left_out, dryRun=False)
    found = (await explorer.run("AdjustmentCreate", snapshot=counted["id"]))["adjustment"]
    assert (found["state"], found["quantity"]) == ("CREDITED", -1)


async def of_evidence(explorer: Explorer) -> None:
    (snapshot,) = (await explorer.run("EvidenceOfABill"))["billingSnapshots"]["nodes"]
    await explorer.run("EvidencePackBuild", snapshot=snapshot["id"])
    (counted,) = (await explorer.run("CountedByName"))["billingSnapshots"]["nodes"]
    learner = counted["entries"]["nodes"][0]["learner"]["id"]
    proof = await explorer.run("EntryProof", snapshot=snapshot["id"], learner=learner)
    assert json.loads(proof)


async def of_people(explorer: Explorer) -> None:
    await explorer.run("BillingExclusionSet", dryRun=False)
    await explorer.run("BillingExclusionEnd", dryRun=False)
    preview = (await explorer.run("PersonErasePreview"))["preview"]
    erased = (await explorer.run("PersonErase", previewDigest=preview["digest"]))["learner"]
    assert erased["name"] is None

"""The explorer's operations about who is given vouchers, promotions and carts run with the ids that others show."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from graphiql.operations import load_operations
from models.access import Role
from models.invitations import VoucherInvitation
from resolvers.accounts import register
from resolvers.principal import Principal
from resolvers.vouchers.claiming import claim
from resolvers.vouchers.invitation_facts import invitation_facts
from schema.context import Context
from schema.ids import parse_id
from schema.root import schema
from server.database import Database
from server.demo.sponsoring import APPLICANT_ADDRESS, GATEWAYS, PROMOTION_CODE
from tests.asking import NOW, STAFF
from tests.code_keys import CODE_KEYS

OPERATIONS = {operation.name: operation for operation in load_operations()}
OF_CARTS = {"CartCreate", "CartVoucherApply", "CartVoucherRemove", "CartOfAPerson", "PromotionOrder"}


@dataclass
class Explorer:
    """Runs operations as they are offered, but for what is given."""

    database: Database
    now: dt.datetime = NOW
    principal: Principal = STAFF
    run_so_far: set[str] = field(default_factory=set)

    async def run(self, name: str, instead: dict[str, Any] | None = None, **given: Any) -> Any:
        """What the only field of the operation answers; given is about its input where it has one, or instead of it."""
        operation = OPERATIONS[name]
        variables: dict[str, Any] = {**operation.variables, **given}
        if "input" in operation.variables:
            variables = {"input": instead or {**operation.variables["input"], **given}}  # type: ignore[dict-item]
        context = Context(
            self.principal,
            self.now,
            self.database.reading,
            self.database.run,
            code_keys=CODE_KEYS,
            gateways=GATEWAYS,
        )
        result = await schema.execute(operation.query, variable_values=variables, context_value=context)
        assert result.errors is None, (name, result.errors)
        (answer,) = (result.data or {}).values()
        assert not (isinstance(answer, dict) and answer.get("userErrors")), (name, answer["userErrors"])
        self.run_so_far.add(name)
        return answer


async def test_every_operation_that_takes_an_id_runs_with_one_that_another_shows(demo: Database) -> None:
    explorer = Explorer(demo)
    (program,) = (await explorer.run("Programs"))["nodes"]
    (terms,) = program["voucherPrograms"]["nodes"]
    await of_invitations(explorer, program["id"])
    await of_people(explorer)
    await of_cohorts(explorer, terms["id"])
    await of_promotions(explorer)
    await of_carts(explorer, program)
    takes_an_id = {
        name
        for name, operation in OPERATIONS.items()
        if operation.topic == "Assignments" and '""' in json.dumps(operation.variables)
    }
    assert (takes_an_id | OF_CARTS) - explorer.run_so_far == set()


async def of_invitations(explorer: Explorer, program: str) -> None:
    """Sent, sent again, reminded, claimed with another address, refused, approved; another one is taken back."""
    first, second = (await explorer.run("Vouchers", filter={"states": ["AVAILABLE"]}))["vouchers"]["nodes"][:2]
    voucher = {"voucher": first["id"]}
    await explorer.run("VoucherInvite", voucher={"id": first["id"]})
    for name in ("VoucherInvitationResend", "VoucherInvitationRemind"):
        await explorer.run(name, **voucher)
    claimant = await registered(explorer, "nora@home.example")
    await claimed(explorer, program, claimant)
    waiting = (await explorer.run("VoucherInvitations"))["vouchers"]["nodes"]
    assert [one["assignment"]["claimant"]["email"] for one in waiting] == ["nora@home.example"]
    await explorer.run("VoucherClaimRefuse", **voucher)
    await claimed(explorer, program, claimant)
    approved = await explorer.run("VoucherClaimApprove", **voucher)
    assert approved["voucher"]["assignment"]["state"] == "ACTIVE"
    await explorer.run("VoucherInvite", voucher={"id": second["id"]}, idempotencyKey="another")
    assert (await explorer.run("VoucherAssignmentCancel", voucher=second["id"]))["voucher"]["assignment"] is None


async def registered(explorer: Explorer, address: str) -> Principal:
    made = await explorer.database.run(lambda session: register(session, explorer.now, "Nora Diaz", address))
    return Principal(name=made.name, role=Role.INDIVIDUAL, person_id=made.person_id)


async def claimed(explorer: Explorer, program: str, by: Principal) -> None:
    """By the link that the last letter says."""
    _, (program_id,) = parse_id(program)
    table = VoucherInvitation.__table__
    async with explorer.database.reading() as connection:
        live = (await connection.execute(select(table.c.id).where(table.c.ended_at.is_(None)))).scalar_one()
        said = await invitation_facts(connection, CODE_KEYS, program_id, live)
    assert said
    await claim(explorer.database.reading, explorer.database.run, CODE_KEYS, by, explorer.now, said.secret)


async def of_people(explorer: Explorer) -> None:
    responsible = await explorer.run("ResponsiblePartySet", person={"email": APPLICANT_ADDRESS})
    assert responsible["responsibleParty"]["name"] == "Rosa Marsh"
    (party,) = (await explorer.run("ResponsibleParties"))["responsibleParties"]["nodes"]
    assert (party["name"], party["isCurrent"]) == ("Rosa Marsh", True)
    assert (await explorer.run("Certifications"))["learners"]["totalCount"] == 6


async def of_cohorts(explorer: Explorer, terms: str) -> None:
    offered: Any = OPERATIONS["CohortPreview"].variables["input"]
    once = {**offered["once"], "voucherProgram": terms}
    shown = (await explorer.run("CohortPreview", once=once))["bulkAssignment"]
    assert (shown["eligible"], shown["skipped"], shown["stockSuffices"]) == (2, 4, True)
    await explorer.run("CohortCommit", bulkAssignment=shown["id"], digest=shown["digest"])
    undone = (await explorer.run("CohortUndo", bulkAssignment=shown["id"]))["bulkAssignment"]
    assert undone["takenBack"] == 2
    cohort = (await explorer.run("CohortDefine", voucherProgram=terms))["cohort"]["id"]
    await explorer.run("CohortPreview", instead={"cohort": cohort})
    for name in ("CohortStart", "CohortBudgetSet", "CohortStop"):
        await explorer.run(name, cohort=cohort)
    cohorts = (await explorer.run("Cohorts"))["cohorts"]["nodes"]
    assert {one["name"] for one in cohorts if one["name"]} == {"Certified until the spring", "Renewals of the spring"}


async def of_promotions(explorer: Explorer) -> None:
    made = (await explorer.run("PromotionCreate"))["promotion"]
    bought = (await explorer.run("PromotionOrder", promotion=made["id"]))["order"]
    assert (made["state"], bought["state"]) == ("AWAITING_FUNDING", "AWAITING_APPROVAL")
    shown = (await explorer.run("Promotions"))["promotions"]["nodes"]
    assert [(one["code"], one["uses"]) for one in shown] == [("FIRST-TEN-2026", 0), (PROMOTION_CODE, 1)]


async def of_carts(explorer: Explorer, program: Any) -> None:
    explorer.principal = await registered(explorer, "kim@home.example")
    application = next(one["id"] for one in program["products"]["nodes"] if one["code"] == "APPLICATION")
    cart = (await explorer.run("CartCreate", lines=[{"product": application}]))["cart"]
    by = {"code": PROMOTION_CODE.lower()}
    applied = await explorer.run("CartVoucherApply", cart=cart["id"], by=by, expectedVersion=cart["version"])
    assert applied["cart"]["due"]["amount"] == "62.50"
    (on_it,) = applied["cart"]["vouchers"]
    seen = await explorer.run("CartOfAPerson", id=cart["id"])
    assert seen["explain"][0]["letIn"] is True
    version = applied["cart"]["version"]
    removed = await explorer.run("CartVoucherRemove", cart=cart["id"], voucher=on_it["id"], expectedVersion=version)
    assert removed["cart"]["due"]["amount"] == "125.00"

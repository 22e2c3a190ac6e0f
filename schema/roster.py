"""Importing a roster in batches: what a partner's system sends when somebody joined, left or moved."""

from __future__ import annotations

from typing import Annotated

import strawberry

from models.errors import RosterErrorCode
from resolvers.roster.batches import Batch, BatchOutcome, BatchRow, import_batch
from schema.context import Info
from schema.fields import INPUT, field, mutation
from schema.nodes import OrganizationKey, keyed_organization
from schema.payloads import Refusals, UserError
from schema.scalars import described

described(RosterErrorCode, "Why an import did not go on.")


@strawberry.type(description="A refusal: what was wrong with the input, and what to do.")
class RosterUserError(UserError):
    code: RosterErrorCode = strawberry.field(description="The reason, for programs.")


@strawberry.input(description="One membership of one team. Dates are days of the organization's billing zone.")
class RosterRowInput:
    number: int = strawberry.field(description="Your own number of the row, from 1, unique within the import.")
    team: str = strawberry.field(description="The team's name; a team that is not there yet is made.")
    external_id: str = strawberry.field(description="The organization's own id of the learner.")
    name: str = strawberry.field(default="", description="The full name; empty says nothing.")
    email: str = strawberry.field(default="", description="The e-mail address; empty says nothing.")
    department: str = strawberry.field(default="", description="The department; empty says nothing.")
    activated_on: str = strawberry.field(
        default="", description="The first active day, as 2017-09-01; empty if it was lost."
    )
    deactivated_on: str = strawberry.field(
        default="", description="The first day no longer active, as 2017-10-01; empty while still active."
    )
    certifications: str = strawberry.field(
        default="",
        description="Certifications that the learner holds, each with its last day unless it never expires, separated "
        "by semicolons, as in: CPR 2026-05-31; First aid. Another last day is a correction; what is not named stays.",
    )


@strawberry.input
class RosterImportInput:
    organization: OrganizationKey = strawberry.field(description="Whose roster it is.")
    import_id: str = strawberry.field(description="Your own name for this import: all its batches carry it.")
    rows: list[RosterRowInput] = strawberry.field(description="1 to 250 rows.")


@strawberry.type(description="A row that was refused while the others landed.")
class RosterRowRefusal:
    number: int = strawberry.field(description="Your number of the row.")
    column: str = strawberry.field(description="The cell at fault.")
    problem: str = strawberry.field(description="What is wrong.")
    mend: str = strawberry.field(description="What to do; then send the row again under its number.")


@strawberry.type
class RosterImportPayload:
    outcome: strawberry.Private[BatchOutcome | None] = None
    user_errors: list[RosterUserError] = strawberry.field(
        default_factory=list, description="Why nothing of the batch was looked at; empty if it was."
    )

    @field("How many rows were news, or corrections of what a row said before.")
    def rows_landed(self) -> int:
        return self.outcome.landed if self.outcome else 0

    @field("How many rows said what was known already.")
    def rows_unchanged(self) -> int:
        return self.outcome.unchanged if self.outcome else 0

    @field("The rows that were refused, one by one.")
    def refusals(self) -> list[RosterRowRefusal]:
        refused = self.outcome.refusals if self.outcome else ()
        return [
            RosterRowRefusal(number=one.line, column=one.column, problem=one.problem, mend=one.mend) for one in refused
        ]


@strawberry.type
class RosterMutation:
    @mutation(
        "Import up to 250 rows of a roster. A row sent again changes nothing; a row with another end is a correction.",
        [Refusals(RosterImportPayload, RosterUserError, RosterErrorCode)],
    )
    async def roster_import(self, info: Info, input: Annotated[RosterImportInput, INPUT]) -> RosterImportPayload:
        organization = await keyed_organization(info, input.organization, "organization")
        batch = Batch(
            organization_id=organization.organization_id,
            import_id=input.import_id,
            rows=tuple(_row(row) for row in input.rows),
        )
        context = info.context
        outcome = await context.write(lambda s: import_batch(s, context.principal, context.now, batch))
        return RosterImportPayload(outcome=outcome)


def _row(given: RosterRowInput) -> BatchRow:
    return BatchRow(
        number=given.number,
        team=given.team,
        external_id=given.external_id,
        name=given.name,
        email=given.email,
        department=given.department,
        activated_on=given.activated_on,
        deactivated_on=given.deactivated_on,
        certifications=given.certifications,
    )

"""What a partner's system does through mutations alone: adds teams and libraries, and sends a roster in batches."""

from __future__ import annotations

from typing import Any

from models.access import Role
from resolvers.principal import Principal
from server.database import Database
from tests.asking import Answer, ask
from tests.builders import organization
from tests.serving import serving

IMPORT = """
mutation($input: RosterImportInput!) {
  rosterImport(input: $input) {
    rowsLanded rowsUnchanged refusals { number column problem mend } userErrors { field message code }
  }
}"""
ROWS = [
    {"number": 1, "team": "Fleet", "externalId": "a1", "name": "Ann", "activatedOn": "2017-08-01"},
    {"number": 2, "team": "Fleet", "externalId": "a2", "activatedOn": "2017-08-01", "deactivatedOn": "2017-10-01"},
    {"number": 3, "team": "Fleet", "externalId": "a3", "activatedOn": "2017-02-30"},
]


async def send(database: Database, principal: Principal, rows: list[dict[str, Any]], slug: str = "acme") -> Answer:
    batch = {"organization": {"slug": slug}, "importId": "2017-09", "rows": rows}
    return await ask(database, IMPORT, principal, input=batch)


async def test_a_batch_lands_row_by_row_and_again_changes_nothing(database: Database) -> None:
    tenant = await organization(database, name="Acme")
    partner = Principal(name="Payroll", role=Role.PARTNER, organization_id=tenant.id)
    first = (await send(database, partner, ROWS)).data["rosterImport"]
    assert (first["rowsLanded"], first["rowsUnchanged"], first["userErrors"]) == (2, 0, [])
    assert [(refusal["number"], refusal["column"]) for refusal in first["refusals"]] == [(3, "activated_on")]
    again = (await send(database, partner, ROWS)).data["rosterImport"]
    assert again == first, "a retry is answered as the first time"
    counted = await ask(
        database,
        """{ organization(by: {slug: "acme"}) {
          activeCount(activity: {activeAt: {cutoffOf: "2017-09-01"}}) { exact } } }""",
        partner,
    )
    assert counted.data["organization"]["activeCount"] == {"exact": 2}


async def test_a_sender_of_too_many_rows_is_told_how_many_there_were_how_many_may_be_and_what_to_do(
    sqlite_database: Database,
) -> None:
    """Asked as by HTTP, whose own limit of a list is 250 too."""
    await organization(sqlite_database, name="Acme")
    rows = [{"number": n, "team": "Fleet", "externalId": f"a{n}", "activatedOn": "2017-08-01"} for n in range(1, 252)]
    batch = {"organization": {"slug": "acme"}, "importId": "2017-09", "rows": rows}
    async with serving(sqlite_database, schema=None) as server:
        answer = (await server.ask(IMPORT, variables={"input": batch})).json()["data"]["rosterImport"]
    assert answer["rowsLanded"] == 0
    assert answer["userErrors"] == [
        {
            "field": ["input", "rows"],
            "code": "BATCH_TOO_LARGE",
            "message": "A batch holds 1 to 250 rows, this one 251. Send more of them in parts, all under this import "
            "id, or have them imported as a file.",
        }
    ]


async def test_nobody_imports_into_another_organization(database: Database) -> None:
    tenant = await organization(database, name="Acme")
    await organization(database, name="Other")
    partner = Principal(name="Payroll", role=Role.PARTNER, organization_id=tenant.id)
    assert (await send(database, partner, ROWS, slug="other")).errors == ["NOT_FOUND"]


async def test_teams_and_libraries_are_added_once(database: Database) -> None:
    tenant = await organization(database, name="Acme")
    administrator = Principal(name="Ann", role=Role.ORGANIZATION, organization_id=tenant.id)
    for kind in ("team", "library"):
        add = """mutation { %sCreate(input: {organization: {slug: "acme"}, name: "%s"}) {
          %s { id name } userErrors { code } } }"""
        made = [await ask(database, add % (kind, name, kind), administrator) for name in ("Basics", " Basics ", "")]
        first, again, refused = (answer.data[f"{kind}Create"] for answer in made)
        assert first == again
        assert first[kind]["name"] == "Basics"
        assert refused == {kind: None, "userErrors": [{"code": "BAD_NAME"}]}


async def test_only_staff_add_organizations_and_only_with_a_zone_that_exists(database: Database) -> None:
    add = """mutation($zone: String!) { organizationCreate(input: {name: "New Client", billingZone: $zone}) {
      organization { slug billingZone } userErrors { code field } } }"""
    tenant = await organization(database, name="Acme")
    administrator = Principal(name="Ann", role=Role.ORGANIZATION, organization_id=tenant.id)
    assert (await ask(database, add, administrator, zone="UTC")).errors == ["NOT_ALLOWED"]
    unknown = (await ask(database, add, zone="America/Chicagoo")).data["organizationCreate"]
    assert unknown == {
        "organization": None,
        "userErrors": [{"code": "UNKNOWN_ZONE", "field": ["input", "billingZone"]}],
    }
    made = (await ask(database, add, zone="America/Chicago")).data["organizationCreate"]
    assert made["organization"] == {"slug": "new-client", "billingZone": "America/Chicago"}
    again = (await ask(database, add, zone="America/Chicago")).data["organizationCreate"]
    assert again["userErrors"][0]["code"] == "SLUG_TAKEN"

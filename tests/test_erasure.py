"""Erasing a person: only as it was previewed, once, with a reason, by staff, and not while a dispute is open."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select, update

from models.access import Role, Token
from models.disputes import Dispute, DisputeState
from models.erasure import ERASED, Erasure, digest_of
from models.errors import ErasureError, ErasureErrorCode
from models.events import Deed, Event, Thing
from models.learners import Learner, Profile
from resolvers.principal import Principal
from server.database import Database
from tests.asking import ask
from tests.builders import STAFF, organization
from tests.erasing import (
    BECAUSE,
    BY_EXTERNAL_ID,
    EMAIL,
    ERASE,
    EXTERNAL_ID,
    NAME,
    PREVIEW,
    ROW,
    ROW_OTHERWISE,
    everything,
    has_traces,
    imported,
    in_a_dispute,
    named_everywhere,
    named_learner,
    said,
    with_an_account,
)
from tests.visitors import administrator

# ------------------------------------------------------------------------------------- the preview, and just that


async def test_a_preview_says_what_goes_what_stays_and_what_holds_it(database: Database) -> None:
    named = await named_everywhere(database)
    shown = await ask(database, PREVIEW, input={"learner": BY_EXTERNAL_ID})
    preview = shown.data["personErasePreview"]["preview"]
    assert preview["fields"] == ["NAME", "EMAIL", "EXTERNAL_ID", "DEPARTMENT"]
    assert {text["where"]: text["count"] for text in preview["texts"]} == {
        "ACT": 2,
        "EVENT": 6,
        "DISPUTE": 1,
        "ADJUSTMENT": 1,
        "CREDIT_NOTE": 1,
        "APPROVAL": 1,
        "FAILURE": 1,
        "ROSTER_NAME": 1,
    }
    assert (preview["evidencePacks"], preview["rosterLines"], preview["tokens"]) == (1, 1, 1)
    leaves = {"windows": 1, "beliefs": 6, "snapshotEntries": 1, "proofs": 0, "recordedByName": 0}
    assert (preview["leaves"], preview["accountStays"], preview["heldBy"]) == (leaves, False, [])
    assert not has_traces(str(preview))
    assert (await named.previewed()).digest == preview["digest"]


async def test_only_what_was_previewed_is_erased(database: Database) -> None:
    named = await named_learner(database)
    digest = (await named.previewed()).digest
    await said(named, f"{NAME} called again")
    with pytest.raises(ErasureError) as refused:
        await named.erased(digest=digest)
    assert refused.value.code is ErasureErrorCode.PREVIEW_CHANGED
    assert (await named.profile()).name == NAME
    await named.imported(ROW_OTHERWISE)
    digest = (await named.previewed()).digest
    await named.tenant.deactivated(named.learner_id, "2017-11-30")
    assert (await named.erased(digest=digest)).changed, "what stays may change meanwhile"


async def test_the_same_erasure_once_more_changes_nothing_and_another_one_is_refused(database: Database) -> None:
    named = await named_learner(database)
    digest = (await named.previewed()).digest
    first = await named.erased(digest=digest)
    again = await named.erased(digest=digest)
    assert (first.changed, again.changed, again.recorded_at) == (True, False, first.recorded_at)
    for other in (named.erased(digest="0" * 64), named.previewed()):
        with pytest.raises(ErasureError) as refused:
            await other
        assert refused.value.code is ErasureErrorCode.ALREADY_ERASED


async def test_of_two_who_erase_at_once_one_does(database: Database) -> None:
    named = await named_everywhere(database)
    digest = (await named.previewed()).digest
    done = await asyncio.gather(*(named.erased(digest=digest) for _ in range(4)))
    assert sorted(one.changed for one in done) == [False, False, False, True]


@pytest.mark.parametrize(
    "reason", ["", "  ", f"{NAME} wants it", "vandermeer,  PRIYANKA", f"see {EMAIL}", f"no. {EXTERNAL_ID.lower()}"]
)
async def test_a_reason_is_given_and_does_not_name_the_person(database: Database, reason: str) -> None:
    named = await named_learner(database)
    with pytest.raises(ErasureError) as refused:
        await named.erased(reason)
    assert refused.value.code is ErasureErrorCode.REASON_REQUIRED
    assert not has_traces(refused.value.message)


async def test_an_open_dispute_holds_the_erasure_until_it_is_resolved(database: Database) -> None:
    named = await named_learner(database)
    snapshot = await named.billed.taken()
    await in_a_dispute(named, snapshot.id, None)
    assert (await named.previewed()).held_by == ("D-2017-7",)
    with pytest.raises(ErasureError) as refused:
        await named.erased()
    assert refused.value.code is ErasureErrorCode.IN_DISPUTE
    assert "D-2017-7" in refused.value.message
    resolved = update(Dispute).values(resolution=DisputeState.WITHDRAWN, resolved_at=named.tenant.now)
    await database.run(lambda session: session.execute(resolved))
    assert (await named.erased()).changed


async def test_a_dispute_about_others_holds_nothing(database: Database) -> None:
    named = await named_learner(database)
    await named.tenant.deactivated(named.learner_id, "2017-08-15")
    await in_a_dispute(named, (await named.billed.taken()).id, None)
    assert (await named.erased()).changed


async def test_only_staff_erase_and_nobody_sees_a_foreign_person(database: Database) -> None:
    named = await named_learner(database)
    digest = (await named.previewed()).digest
    own, foreign = administrator(named.tenant.id), administrator((await organization(database)).id)
    herself = Principal(name=NAME, role=Role.INDIVIDUAL, person_id=1)
    codes = {own: "NOT_ALLOWED", foreign: "NOT_FOUND", herself: "NOT_FOUND"}
    learner = {"id": (await everything(named, search=NAME))["learners"]["edges"][0]["node"]["id"]}
    for principal, code in codes.items():
        given = {"learner": learner, "reason": BECAUSE, "previewDigest": digest}
        answers = [
            (await ask(database, PREVIEW, principal, input={"learner": learner})).data["personErasePreview"],
            (await ask(database, ERASE, principal, input=given)).data["personErase"],
        ]
        assert [[error["code"] for error in answer["userErrors"]] for answer in answers] == [[code], [code]]
    assert (await named.profile()).name == NAME


async def test_an_event_tells_who_erased_and_why_and_a_digest_shows_that_it_was_this_person(
    database: Database,
) -> None:
    named = await named_learner(database)
    done = await named.erased()
    async with database.reading() as connection:
        event = (await connection.execute(select(Event.__table__).where(Event.deed == Deed.ERASED))).one()
        kept = (await connection.execute(select(Erasure.__table__))).one()
    assert (event.thing, event.thing_id, event.said) == (Thing.LEARNER, named.learner_id, BECAUSE)
    assert (event.actor, event.recorded_at) == (STAFF.name, done.recorded_at)
    assert kept.profile_digest == digest_of(kept.salt, "profile", NAME, EMAIL, EXTERNAL_ID, "Field")
    assert kept.profile_digest in event.before
    assert (await named.profile()).external_id.startswith("erased:")
    answer = await everything(named, search="erased:")
    assert kept.salt not in str(answer)
    assert kept.external_id_digest not in str(answer)


async def test_another_organization_s_person_of_the_same_name_is_left_alone(database: Database) -> None:
    named, other = await named_learner(database), await organization(database)
    await imported(other, ROW, import_id="first")
    await named.erased()
    async with database.reading() as connection:
        left = (await connection.execute(select(Profile.organization_id).where(Profile.name == NAME))).scalars().all()
    assert left == [other.id]
    assert (await imported(other, ROW, import_id="second")).unchanged == 1


# ---------------------------------------------------------------------------------------------------- accounts


async def test_an_account_ends_with_the_last_of_its_learners(database: Database) -> None:
    named = await named_learner(database)
    await with_an_account(named)
    assert (await named.previewed()).tokens == 1
    await named.erased()
    async with database.reading() as connection:
        token = (await connection.execute(select(Token.__table__))).one()
        assert await connection.scalar(select(Learner.person_id).where(Learner.id == named.learner_id)) is None
    assert token.name == ERASED
    assert token.ended_at is not None


async def test_an_account_that_is_a_learner_elsewhere_stays_and_is_tied_to_nothing_here(database: Database) -> None:
    named = await named_learner(database)
    await with_an_account(named)
    other = await organization(database)
    elsewhere = await other.learner("2017-08-01..", name=NAME)
    async with database.reading() as connection:
        account = await connection.scalar(select(Learner.person_id).where(Learner.id == named.learner_id))
    tie = update(Learner).where(Learner.organization_id == other.id, Learner.id == elsewhere)
    await database.run(lambda session: session.execute(tie.values(person_id=account)))
    shown = await named.previewed()
    assert (shown.account_stays, shown.tokens) == (True, 0)
    await named.erased()
    async with database.reading() as connection:
        token = (await connection.execute(select(Token.__table__))).one()
        tied = await connection.execute(select(Learner.organization_id).where(Learner.person_id == account))
        assert tied.scalars().all() == [other.id]
    assert (token.name, token.ended_at) == (NAME, None)

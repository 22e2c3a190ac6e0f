"""Erasing a person: a preview, and then exactly that."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import strawberry

from models.erasure import PersonalField, WrittenText
from models.errors import ErasureErrorCode
from resolvers.erasure import erasing, previewing
from resolvers.erasure.accounts import erase_account
from resolvers.erasure.erasing import Erasing
from resolvers.loaders.learners import LearnerKey
from schema.context import Info
from schema.fields import INPUT, field, mutation
from schema.history import LearnerKeyInput, who_of
from schema.learners import Learner
from schema.nodes import learner_by_key
from schema.payloads import Refusals, UserError
from schema.scalars import described

described(ErasureErrorCode, "Why nothing was erased.")
described(PersonalField, "What a profile may hold.")
described(WrittenText, "Where somebody may have written about a person.")


@strawberry.type(description="A refusal: what was wrong with the input, and what to do.")
class ErasureUserError(UserError):
    code: ErasureErrorCode = strawberry.field(description="The reason, for programs.")


@strawberry.type(description="Texts that name the person, and become [erased] whole.")
class ErasedTexts:
    where: WrittenText = strawberry.field(description="Where they stand.")
    count: int = strawberry.field(description="How many there are.")


@strawberry.type(description="What stays of a learner, under a pseudonym: all that is counted and proved.")
class ErasureLeaves:
    windows: int = strawberry.field(description="The windows of activity in the organization, as known now.")
    beliefs: int = strawberry.field(description="Everything that was ever recorded of the learner's dates.")
    snapshot_entries: int = strawberry.field(description="The frozen counts in which the learner is one.")
    proofs: int = strawberry.field(description="Those of them that are sealed, and go on proving what they proved.")
    recorded_by_name: int = strawberry.field(
        description="Acts and events done by somebody of this name or address: who did something stays known. Look "
        "whether that is the same person."
    )


@strawberry.type(description="What erasing a person would take away, what would stay, and what holds it.")
class ErasurePreview:
    preview: strawberry.Private[previewing.ErasurePreview]

    @field("What the profile holds; all of it goes. The external id is replaced by a pseudonym.")
    def fields(self) -> list[PersonalField]:
        return list(self.preview.fields)

    @field("How many evidence packs name the person. They keep a salted digest, and go on verifying.")
    def evidence_packs(self) -> int:
        return self.preview.packs

    @field("The texts that name the person, by where they stand.")
    def texts(self) -> list[ErasedTexts]:
        return [ErasedTexts(where=where, count=count) for where, count in self.preview.texts]

    @field("Lines of imports under way that are about the person.")
    def roster_lines(self) -> int:
        return self.preview.staged_lines

    @field("Tokens, links and sessions of the person's account, which ends with the last of its learners.")
    def tokens(self) -> int:
        return self.preview.tokens

    @field("Whether the person's account stays, being a learner of another organization; its tie to this one is cut.")
    def account_stays(self) -> bool:
        return self.preview.account_stays

    @field("What is left.")
    def leaves(self) -> ErasureLeaves:
        stays = self.preview.stays
        return ErasureLeaves(
            windows=stays.windows,
            beliefs=stays.beliefs,
            snapshot_entries=stays.snapshot_entries,
            proofs=stays.proofs,
            recorded_by_name=stays.recorded_by_name,
        )

    @field("The numbers of the open disputes that hold the erasure; empty if it can be done.")
    def held_by(self) -> list[str]:
        return list(self.preview.held_by)

    @field("Give it to personErase, which erases exactly this or nothing.")
    def digest(self) -> str:
        return self.preview.digest


OTHER_NAMES = "Other names of the person that texts may use: a former one, a nickname. They are kept nowhere."


@strawberry.input
class PersonErasePreviewInput:
    learner: LearnerKeyInput = strawberry.field(description="Who.")
    other_names: list[str] = strawberry.field(default_factory=list, description=OTHER_NAMES)


@strawberry.type
class PersonErasePreviewPayload:
    preview: ErasurePreview | None = strawberry.field(
        default=None, description="What would be erased; null if that was refused."
    )
    user_errors: list[ErasureUserError] = strawberry.field(
        default_factory=list, description="Why there is no preview; empty if there is."
    )


@strawberry.input
class PersonEraseInput:
    learner: LearnerKeyInput = strawberry.field(description="Who.")
    reason: str = strawberry.field(description="Why. It is kept, so it must not name the person.")
    preview_digest: str = strawberry.field(description="The digest of the preview that was looked at.")
    other_names: list[str] = strawberry.field(default_factory=list, description=f"{OTHER_NAMES} As in the preview.")


@strawberry.type
class PersonErasePayload:
    erased: strawberry.Private[erasing.Erased | None] = None
    user_errors: list[ErasureUserError] = strawberry.field(
        default_factory=list, description="Why nothing was erased; empty if it was."
    )

    @field("The learner, who has no name any more; null if nothing was erased.")
    async def learner(self, info: Info) -> Learner | None:
        return await learner_by_key(info, LearnerKey(*self.erased.learner)) if self.erased else None

    @field("Whether it was done now: the same request once more changes nothing.")
    def changed(self) -> bool:
        return self.erased is not None and self.erased.changed

    @field("When it was done; null if nothing was erased.")
    def erased_at(self) -> dt.datetime | None:
        return self.erased.recorded_at if self.erased else None


@strawberry.input
class AccountEraseInput:
    email: str = strawberry.field(description="The address that they registered with, or were invited by.")


@strawberry.type(description="How much named somebody by their address.")
class ErasedAccount:
    accounts: int = strawberry.field(description="1 if they had registered; nobody is signed in as them any more.")
    assignments: int = strawberry.field(description="The vouchers that were sent to them; links that waited are dead.")
    messages: int = strawberry.field(description="The e-mails to them; those that waited are not sent.")


@strawberry.type
class AccountErasePayload:
    erased: ErasedAccount | None = strawberry.field(default=None, description="What it was; null if it was refused.")
    user_errors: list[ErasureUserError] = strawberry.field(
        default_factory=list, description="Why nothing was erased; empty if it was."
    )


@strawberry.type
class ErasureMutation:
    @mutation(
        "Erase what somebody registered with when they claimed a voucher, and what names them where vouchers were sent "
        "to them, at once and in every program. Vouchers and what they paid stay, of somebody whom a number stands "
        "for; what an organization wrote in words of its own is not searched. Staff only.",
        [Refusals(AccountErasePayload, ErasureUserError, ErasureErrorCode)],
    )
    async def account_erase(self, info: Info, input: Annotated[AccountEraseInput, INPUT]) -> AccountErasePayload:
        context, email = info.context, input.email.strip()
        gone = await context.write(lambda s: erase_account(s, context.principal, context.now, email))
        named = ErasedAccount(accounts=gone.accounts, assignments=gone.assignments, messages=gone.messages)
        return AccountErasePayload(erased=named)

    @mutation(
        "Show what erasing a person would take away, what would stay, and what holds it. Writes nothing. Staff only.",
        [Refusals(PersonErasePreviewPayload, ErasureUserError, ErasureErrorCode)],
    )
    async def person_erase_preview(
        self, info: Info, input: Annotated[PersonErasePreviewInput, INPUT]
    ) -> PersonErasePreviewPayload:
        who = await who_of(info, input.learner)
        async with info.context.reading() as connection:
            shown = await previewing.preview(connection, info.context.principal, who, input.other_names)
        return PersonErasePreviewPayload(preview=ErasurePreview(preview=shown))

    @mutation(
        "Erase a person's data in one organization, exactly as previewed: windows, counts and proofs stay, under a "
        "pseudonym. A learner of several organizations is erased in each by a call of its own. Staff only.",
        [Refusals(PersonErasePayload, ErasureUserError, ErasureErrorCode)],
    )
    async def person_erase(self, info: Info, input: Annotated[PersonEraseInput, INPUT]) -> PersonErasePayload:
        asked = Erasing(
            who=await who_of(info, input.learner),
            reason=input.reason,
            preview_digest=input.preview_digest,
            other_names=tuple(input.other_names),
        )
        context = info.context
        erased = await context.write(lambda s: erasing.erase(s, context.principal, context.now, asked))
        return PersonErasePayload(erased=erased)

"""Things by their ids. Whether the asker may see one is decided here, again at each use."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import strawberry

from models.errors import NotFound
from models.organizations import ScopeKind
from resolvers.loaders.adjustments import AdjustmentKey
from resolvers.loaders.carts import CartKey
from resolvers.loaders.disputes import DisputeKey
from resolvers.loaders.evidence import PackKey
from resolvers.loaders.invoices import InvoiceKey
from resolvers.loaders.learners import LearnerKey, learners_by_id
from resolvers.loaders.outbox import MessageKey
from resolvers.loaders.places import OrganizationRow, ScopeKey, organization_by_slug, organizations_by_id, scopes_by_id
from resolvers.loaders.responsibility import PartyKey
from resolvers.loaders.snapshots import SnapshotKey
from resolvers.loaders.voucher_orders import OrderKey
from resolvers.loaders.voucher_programs import InProgram
from resolvers.loaders.vouchers import RedemptionKey, VoucherKey
from resolvers.loaders.windows import WindowRow, WindowsKey, WindowsPage, windows_of_learners
from schema.context import Info
from schema.ids import Node, decode_id, parse_id
from schema.learners import Learner
from schema.organizations import Library, Organization, Team
from schema.windows import ActivityWindow


@strawberry.input(description="Which organization: give exactly one.", one_of=True)
class OrganizationKey:
    id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description="Its id.")
    slug: str | None = strawberry.field(default=strawberry.UNSET, description="Its slug, such as xtra-lease.")


BILLING = {"BillingSnapshot": 2, "ContractTerm": 2, "Invoice": 2, "InvoiceLine": 3, "Adjustment": 2, "Dispute": 2}
BILLING |= {"EvidencePack": 2}
VOUCHERS = {"Voucher": 2, "VoucherOrder": 2, "Redemption": 2, "Promotion": 2}
VOUCHERS |= {"Cohort": 2, "VoucherBulkAssignment": 2}
VOUCHERS |= {"Program": 1, "Product": 2, "VoucherProgram": 2, "BillingAgreement": 2, "Cart": 2}
VOUCHERS |= {"ResponsibleParty": 2}
VOUCHERS |= {"Statement": 2}
VOUCHERS |= {"OutboxMessage": 2, "Checkout": 2, "FeeOrder": 2}
LENGTHS = BILLING | VOUCHERS | {"Organization": 1, "Team": 2, "Library": 2, "Learner": 2, "ActivityWindow": 6}


async def node_by_id(info: Info, given: str) -> Node | None:
    """The thing of this id; None if there is none, or it is not the asker's to see."""
    kind, keys = parse_id(given)
    if LENGTHS.get(kind) != len(keys):
        return None
    if kind == "Learner":
        return await learner_by_key(info, LearnerKey(*keys))
    if kind == "ActivityWindow":
        return await _window(info, keys)
    reader = _of_billing if kind in BILLING else _of_vouchers if kind in VOUCHERS else None
    if reader:
        return await reader(info, kind, keys)
    organization = await organization_by_id(info, keys[0])
    if organization is None or kind == "Organization":
        return organization and Organization.of(organization)
    return await _scope(info, organization, ScopeKey(*keys), ScopeKind[kind.upper()])


async def _of_billing(info: Info, kind: str, keys: list[int]) -> Node | None:
    from schema.adjustments import adjustment_by_key
    from schema.contracts import contract_term_by_id
    from schema.disputes import dispute_by_key
    from schema.evidence import pack_by_key
    from schema.invoices import invoice_by_key, invoice_line_by_key
    from schema.snapshots import snapshot_by_key

    readers: dict[str, Callable[[], Awaitable[Node | None]]] = {
        "BillingSnapshot": lambda: snapshot_by_key(info, SnapshotKey(*keys)),
        "ContractTerm": lambda: contract_term_by_id(info, *keys),
        "Invoice": lambda: invoice_by_key(info, InvoiceKey(*keys)),
        "InvoiceLine": lambda: invoice_line_by_key(info, InvoiceKey(*keys[:2]), keys[2]),
        "Adjustment": lambda: adjustment_by_key(info, AdjustmentKey(*keys)),
        "Dispute": lambda: dispute_by_key(info, DisputeKey(*keys)),
        "EvidencePack": lambda: pack_by_key(info, PackKey(*keys)),
    }
    return await readers[kind]()


async def _of_vouchers(info: Info, kind: str, keys: list[int]) -> Node | None:
    from schema.agreements import agreement_by_key
    from schema.cart import cart_by_key
    from schema.checkout import checkout_by_key
    from schema.cohorts import bulk_by_key, cohort_by_key
    from schema.fee_orders import fee_order_by_key
    from schema.outbox import message_by_key
    from schema.products import product_by_key
    from schema.programs import program_by_id
    from schema.promotions import promotion_by_key
    from schema.responsibility import responsible_party_by_key
    from schema.statements import statement_by_key
    from schema.voucher_orders import voucher_order_by_key
    from schema.voucher_programs import voucher_program_by_key
    from schema.vouchers import redemption_by_key, voucher_by_key

    readers: dict[str, Callable[[], Awaitable[Node | None]]] = {
        "Cart": lambda: cart_by_key(info, CartKey(*keys)),
        "Checkout": lambda: checkout_by_key(info, InProgram(*keys)),
        "FeeOrder": lambda: fee_order_by_key(info, InProgram(*keys)),
        "Voucher": lambda: voucher_by_key(info, VoucherKey(*keys)),
        "Redemption": lambda: redemption_by_key(info, RedemptionKey(*keys)),
        "VoucherOrder": lambda: voucher_order_by_key(info, OrderKey(*keys)),
        "Cohort": lambda: cohort_by_key(info, InProgram(*keys)),
        "VoucherBulkAssignment": lambda: bulk_by_key(info, InProgram(*keys)),
        "Program": lambda: program_by_id(info, *keys),
        "Product": lambda: product_by_key(info, InProgram(*keys)),
        "VoucherProgram": lambda: voucher_program_by_key(info, InProgram(*keys)),
        "OutboxMessage": lambda: message_by_key(info, MessageKey(*keys)),
        "Promotion": lambda: promotion_by_key(info, InProgram(*keys)),
        "BillingAgreement": lambda: agreement_by_key(info, InProgram(*keys)),
        "Statement": lambda: statement_by_key(info, InProgram(*keys)),
        "ResponsibleParty": lambda: responsible_party_by_key(info, PartyKey(*keys)),
    }
    return await readers[kind]()


async def organization_by_id(info: Info, organization_id: int) -> OrganizationRow | None:
    """The organization, for somebody who may see all of it."""
    if not info.context.principal.may_see(organization_id):
        return None
    return await _organization(info, organization_id)


async def keyed_organization(info: Info, key: OrganizationKey, *field: str) -> OrganizationRow:
    """The organization, for somebody who may see all of it; not found for anybody else."""
    if key.id:
        row = await organization_by_id(info, decode_id(key.id, "Organization", 1, *field, "id")[0])
    else:
        async with info.context.reading() as connection:
            row = await organization_by_slug(connection, key.slug or "")
    if row is None or not info.context.principal.may_see(row.organization_id):
        raise NotFound("organization", *field)
    return row


async def _organization(info: Info, organization_id: int) -> OrganizationRow | None:
    found: list[OrganizationRow] = await info.context.loaders.rows(organizations_by_id).load(organization_id)
    return found[0] if found else None


async def _scope(info: Info, organization: OrganizationRow, key: ScopeKey, kind: ScopeKind) -> Team | Library | None:
    rows = await info.context.loaders.rows(scopes_by_id).load(key)
    if not rows or rows[0].kind != kind.name:
        return None
    of = Team if kind is ScopeKind.TEAM else Library
    return of.of(organization, key.scope_id, rows[0].name)


async def learner_by_key(info: Info, key: LearnerKey) -> Learner | None:
    """The learner, for who may see the organization, and for the person who it is."""
    loaders, principal = info.context.loaders, info.context.principal
    row, organizations = await asyncio.gather(
        loaders.values(learners_by_id).load(key), loaders.rows(organizations_by_id).load(key.organization_id)
    )
    if row is None or not organizations:
        return None
    is_self = principal.person_id is not None and row.person_id == principal.person_id
    if not is_self and not principal.may_see(key.organization_id):
        return None
    (organization,) = organizations
    return Learner(row=row, organization_row=organization, known_at=organization.recorded_through)


async def _window(info: Info, keys: list[int]) -> ActivityWindow | None:
    row = await window_row(info, keys)
    learner = row and await learner_by_key(info, LearnerKey(keys[0], row.learner_id))
    if row is None or learner is None:
        return None
    return ActivityWindow(row=row, scope_id=keys[1], organization_row=learner.organization_row)


async def window_row(info: Info, keys: list[int]) -> WindowRow | None:
    """The window as it was known from its recorded time on."""
    organization_id, scope_id, learner_id, known_from, from_earliest, to_latest = keys
    key = WindowsKey(organization_id, scope_id, learner_id, 0, 0, known_from)
    page = WindowsPage(None, 1, after=(to_latest, from_earliest, known_from - 1))
    rows = await info.context.loaders.rows(windows_of_learners, page).load(key)
    same = [r for r in rows if (r.known_from, r.from_earliest, r.to_latest) == (known_from, from_earliest, to_latest)]
    return same[0] if same else None

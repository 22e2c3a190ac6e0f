"""The numbers of invoices and credit notes: they count up in each organization, without a gap, under its lock."""

from __future__ import annotations

from sqlalchemy import func, select

from models.invoices import CreditNote, Invoice
from models.organizations import Organization
from resolvers.recording import Recording


async def next_number(recording: Recording, of: type[Invoice] | type[CreditNote]) -> str:
    """XTRA-LEASE-0001 for an invoice, XTRA-LEASE-CN-0001 for a credit note."""
    count = select(func.count()).select_from(of).where(of.organization_id == recording.organization_id)
    slug = select(Organization.slug).where(Organization.id == recording.organization_id)
    made, named = (await recording.session.execute(select(count.scalar_subquery(), slug.scalar_subquery()))).one()
    return f"{named.upper()}{'-CN' if of is CreditNote else ''}-{made + 1:04}"

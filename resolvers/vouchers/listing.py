"""Whose vouchers a list may hold, for who asks: a page, the API and a file hold the same."""

from __future__ import annotations

from models.errors import NotFound
from resolvers.loaders.voucher_lists import ListKey
from resolvers.principal import Principal


def in_organization(
    principal: Principal, organization_id: int, program_id: int = 0, only_organization_id: int = 0
) -> ListKey:
    """What an organization has, in one program or (0) in all; a program's administrator sees it in their own."""
    if principal.may_see(organization_id):
        return ListKey(program_id, organization_id, only_organization_id)
    if principal.program_id is None or program_id not in (0, principal.program_id):
        raise NotFound("organization")
    return ListKey(principal.program_id, organization_id, only_organization_id)


def in_program(principal: Principal, program_id: int, thing_id: int, only_organization_id: int = 0) -> ListKey:
    """Of a voucher program, an order, or the program itself: all, or one organization's, for who runs it; to an
    organization its own."""
    if principal.runs(program_id):
        return ListKey(program_id, thing_id, only_organization_id)
    if principal.organization_id is None or only_organization_id not in (0, principal.organization_id):
        raise NotFound("organization" if only_organization_id else "program")
    return ListKey(program_id, thing_id, principal.organization_id)

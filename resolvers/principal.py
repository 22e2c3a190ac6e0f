"""Who is asking, and what they may see and change. A foreign id answers as not found."""

from __future__ import annotations

from dataclasses import dataclass

from models.access import Role
from models.errors import NotAllowed, NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    name: str
    role: Role
    # The one organization of an organization's administrator or a partner.
    organization_id: int | None = None
    # The account of an individual.
    person_id: int | None = None
    # From where: an address, the command line, the worker. Events keep it.
    origin: str = ""

    @property
    def is_staff(self) -> bool:
        return self.role is Role.STAFF

    @property
    def acts_for_an_organization(self) -> bool:
        return self.role in (Role.ORGANIZATION, Role.PARTNER)

    def may_see(self, organization_id: int) -> bool:
        return self.is_staff or (self.acts_for_an_organization and self.organization_id == organization_id)

    def must_see(self, organization_id: int, what: str, *field: str) -> None:
        if not self.may_see(organization_id):
            raise NotFound(what, *field)

    def must_be_staff(self, deed: str) -> None:
        if not self.is_staff:
            raise NotAllowed(f"Only staff may {deed}.")

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
    # The one program of a program's administrator.
    program_id: int | None = None
    # From where: an address, the command line, the worker. Events keep it.
    origin: str = ""

    @property
    def signature(self) -> str:
        """How events name them. An individual's name may have to be erased, and events stay: they keep the number."""
        return self.name if self.person_id is None else f"person {self.person_id}"

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

    def runs(self, program_id: int) -> bool:
        return self.is_staff or (self.role is Role.PROGRAM and self.program_id == program_id)

    def must_run(self, program_id: int, deed: str) -> None:
        """Of what the program itself does: define, approve, settle, look at its money."""
        if not self.runs(program_id):
            raise NotAllowed(f"Only the program's administrators and staff may {deed}.")

    def must_see_in(self, program_id: int, organization_id: int, what: str, *field: str) -> None:
        """Of what an organization has in a program: its orders and vouchers."""
        if not (self.runs(program_id) or self.may_see(organization_id)):
            raise NotFound(what, *field)

    def must_own(self, organization_id: int, deed: str) -> None:
        """Of what an organization does with its own vouchers; staff may do it for them."""
        if not self.may_see(organization_id):
            raise NotAllowed(f"Only the organization's administrators, its partner and staff may {deed}.")

    def must_be_staff(self, deed: str) -> None:
        if not self.is_staff:
            raise NotAllowed(f"Only staff may {deed}.")

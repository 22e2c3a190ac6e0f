"""Organizations, the days by which they are billed, and what windows are counted in."""

from __future__ import annotations

import datetime as dt
from enum import Enum

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, String, Time, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment, SortText, Spelled


class Organization(Base):
    """A client: it licenses seats and buys vouchers. A small reference table, and the tenant of everything else."""

    __tablename__ = "organization"
    id: Mapped[Key] = mapped_column(primary_key=True, autoincrement=False)
    slug: Mapped[str] = mapped_column(String(100), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    name_key: Mapped[SortText] = mapped_column(index=True)


class BillingZone(Base):
    """From a local date on, the organization's days and billing cutoffs are those of this zone."""

    __tablename__ = "billing_zone"
    organization_id: Mapped[Key] = mapped_column(ForeignKey("organization.id"), primary_key=True)
    since: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    zone: Mapped[str] = mapped_column(String(64))
    cutoff: Mapped[dt.time] = mapped_column(Time)


class OrganizationClock(Base):
    """The last recorded time given out in an organization. Taking the next one is the lock that puts acts in order."""

    __tablename__ = "organization_clock"
    organization_id: Mapped[Key] = mapped_column(ForeignKey("organization.id"), primary_key=True)
    recorded_at: Mapped[Moment]


class ScopeKind(Enum):
    ORGANIZATION = "the organization as a whole: a window here is activity"
    TEAM = "a team: a window here is activity while a member"
    LIBRARY = "a library: a window here is activity while having access"
    EXCLUSION = "what is not billed: a window here is activity of somebody who was excluded from billing"


class Scope(Base):
    """What windows are counted in: the organization as a whole (a scope with its own id), a team, a library, or what is
    excluded from billing (one scope an organization, made with its first exclusion)."""

    __tablename__ = "scope"
    organization_id: Mapped[Key] = mapped_column(ForeignKey("organization.id"), primary_key=True)
    id: Mapped[Key] = mapped_column(primary_key=True)
    kind: Mapped[ScopeKind] = mapped_column(Spelled(ScopeKind))
    name: Mapped[str] = mapped_column(String(200))
    name_key: Mapped[SortText]

    __table_args__ = (
        UniqueConstraint("organization_id", "kind", "name"),
        CheckConstraint("(kind = 'ORGANIZATION') = (id = organization_id)", name="own_scope"),
        Index(None, "organization_id", "kind", "name_key", "id"),
    )

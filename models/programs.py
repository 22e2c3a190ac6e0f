"""Programs: who offers credentials for fees. A program is the tenant of everything that has to do with vouchers."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Key, Moment, SortText

HOLD_SECONDS = 900
"""How long a cart holds a voucher's value, unless the program says otherwise: 15 minutes."""


class Program(Base):
    """A credentialing body. A small reference table, as organizations are."""

    __tablename__ = "program"
    id: Mapped[Key] = mapped_column(primary_key=True, autoincrement=False)
    slug: Mapped[str] = mapped_column(String(100), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    name_key: Mapped[SortText] = mapped_column(index=True)
    # Days of validity and expiry are days of this IANA zone.
    zone: Mapped[str] = mapped_column(String(64))
    hold_seconds: Mapped[int] = mapped_column(Integer)
    # For how many days a refund may reopen a voucher that has expired; 0 sends its value to breakage.
    reopen_days: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[Moment]

    __table_args__ = (CheckConstraint("hold_seconds > 0 AND reopen_days >= 0", name="patience"),)

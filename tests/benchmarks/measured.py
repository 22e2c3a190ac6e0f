"""What a goal of PERFORMANCE.md says, what was measured of it, and in what setting all goals are measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["sqlite", "postgresql"]
KINDS: tuple[Kind, ...] = ("sqlite", "postgresql")


@dataclass(frozen=True, slots=True)
class Goal:
    """A ratio of two times (or rates, or sizes) that were measured in one run, and what it must be."""

    name: str
    says: str
    must_be: Literal["at most", "at least"]
    ratio: float

    @property
    def bound(self) -> str:
        return f"{'≤' if self.must_be == 'at most' else '≥'} {self.ratio:g}×"

    def met_by(self, ratio: float) -> bool:
        return ratio <= self.ratio if self.must_be == "at most" else ratio >= self.ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What came of a goal; `beside` are figures that are reported with it and decide nothing."""

    goal: Goal
    kind: Kind
    ratio: float
    beside: tuple[tuple[str, str], ...] = ()

    @property
    def met(self) -> bool:
        return self.goal.met_by(self.ratio)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where a run of all goals works. `quick` measures too little to tell anything, only that everything runs."""

    folder: Path
    # A PostgreSQL server on which databases may be made and dropped.
    server: str
    quick: bool
    rounds: int
    kinds: tuple[Kind, ...] = KINDS

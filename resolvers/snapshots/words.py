"""What a snapshot counts, in words: the question with its zone and cutoff, where it is asked, and as known when."""

from __future__ import annotations

import datetime as dt

from models.activity import Predicate
from models.billing import month_before
from models.contracts import Measure
from models.interval import DAY, BillingCalendar
from resolvers.activity import ActivityQuestion, CutoffOf, Days, answerable, as_known
from resolvers.loaders.snapshots import SnapshotRow


def words_of(snapshot: SnapshotRow, calendar: BillingCalendar, organization: str, product: str) -> str:
    words = f"{measured(snapshot.measure, snapshot.date, snapshot.counted_from, calendar)}, {organization}"
    # Seats are the organization's people: its name says so.
    if snapshot.product_id != snapshot.organization_id:
        words += f", {product}"
    if snapshot.excluded:
        words += f", without {snapshot.excluded} whom an exclusion covers"
    return as_known(words, snapshot.known_at)


def measured(measure: Measure, date: dt.date, counted_from: dt.datetime, calendar: BillingCalendar) -> str:
    """What a measure asks of a date; `counted_from` says which day was the first of the peak."""
    first, last = month_before(date), date - DAY
    match measure:
        case Measure.AT_CUTOFF:
            asked = ActivityQuestion(Predicate.ACTIVE_AT, CutoffOf(date))
        case Measure.ANY_ON_DAY:
            asked = ActivityQuestion(Predicate.ACTIVE_DURING, Days(date, date))
        case Measure.DISTINCT_IN_PERIOD:
            asked = ActivityQuestion(Predicate.ACTIVE_DURING, Days(first, last))
        case Measure.PEAK_DAY:
            asked = ActivityQuestion(Predicate.ACTIVE_AT, CutoffOf(calendar.day_of(counted_from)))
            return f"{answerable(asked, calendar).words}, the peak from {first} through {last}"
    return answerable(asked, calendar).words

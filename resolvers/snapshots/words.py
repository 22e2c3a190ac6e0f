"""What a snapshot counts, in words: the question with its zone and cutoff, where it is asked, and as known when."""

from __future__ import annotations

from models.activity import Predicate
from models.billing import month_before
from models.contracts import Measure
from models.interval import DAY, BillingCalendar
from resolvers.activity import ActivityQuestion, CutoffOf, Days, answerable, as_known
from resolvers.loaders.snapshots import SnapshotRow


def words_of(snapshot: SnapshotRow, calendar: BillingCalendar, organization: str, product: str) -> str:
    words = f"{_question(snapshot, calendar)}, {organization}"
    # Seats are the organization's people: its name says so.
    if snapshot.product_id != snapshot.organization_id:
        words += f", {product}"
    if snapshot.excluded:
        words += f", without {snapshot.excluded} whom an exclusion covers"
    return as_known(words, snapshot.known_at)


def _question(snapshot: SnapshotRow, calendar: BillingCalendar) -> str:
    first, last = month_before(snapshot.date), snapshot.date - DAY
    match snapshot.measure:
        case Measure.AT_CUTOFF:
            asked = ActivityQuestion(Predicate.ACTIVE_AT, CutoffOf(snapshot.date))
        case Measure.ANY_ON_DAY:
            asked = ActivityQuestion(Predicate.ACTIVE_DURING, Days(snapshot.date, snapshot.date))
        case Measure.DISTINCT_IN_PERIOD:
            asked = ActivityQuestion(Predicate.ACTIVE_DURING, Days(first, last))
        case Measure.PEAK_DAY:
            asked = ActivityQuestion(Predicate.ACTIVE_AT, CutoffOf(calendar.day_of(snapshot.counted_from)))
            return f"{answerable(asked, calendar).words}, the peak from {first} through {last}"
    return answerable(asked, calendar).words

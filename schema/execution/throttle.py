"""How much somebody may ask for in a while: a bucket of points for each, which what they ask empties and time fills."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TypedDict

from resolvers.principal import Principal
from schema.errors import RequestErrorCode, RequestRefused

# Whoever has not asked for longest is forgotten first; by then their bucket is full again, or nearly.
BUCKETS_KEPT = 10_000


class ThrottleStatus(TypedDict):
    maximumAvailable: int
    currentlyAvailable: int
    restoreRate: int


class Cost(TypedDict):
    """What stands as `cost` in the extensions of an answer."""

    requestedQueryCost: int
    # Null where it was not counted, or nothing was run.
    actualQueryCost: int | None
    throttleStatus: ThrottleStatus


class Throttled(RequestRefused):
    """Not enough is left in the bucket."""

    def __init__(self, cost: Cost, wait_seconds: int) -> None:
        left, rate = cost["throttleStatus"]["currentlyAvailable"], cost["throttleStatus"]["restoreRate"]
        super().__init__(
            RequestErrorCode.THROTTLED,
            f"This may cost {cost['requestedQueryCost']:,} points and you have {left:,} left; {rate:,} come back each "
            f"second. Ask again in {wait_seconds} {'second' if wait_seconds == 1 else 'seconds'}, or for less.",
        )
        self.cost = cost
        self.wait_seconds = wait_seconds


@dataclass(slots=True)
class Bucket:
    available: float
    filled_at: float


class Throttle:
    """In memory, for this process: several processes give several buckets."""

    def __init__(self, most: int, restored_per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._rate = restored_per_second
        self._clock = clock
        self._buckets: OrderedDict[Hashable, Bucket] = OrderedDict()

    def take(self, principal: Principal, points: int) -> Cost:
        """Raises Throttled, and then takes nothing."""
        bucket = self._filled(_whose(principal))
        if bucket.available < points:
            missing = points - bucket.available
            raise Throttled(self._cost(points, bucket), math.ceil(missing / self._rate))
        bucket.available -= points
        return self._cost(points, bucket)

    def give_back(self, principal: Principal, cost: Cost, actual: int) -> Cost:
        """What came was less than what was asked for, and only that is paid."""
        bucket = self._filled(_whose(principal))
        bucket.available = min(self._most, bucket.available + max(0, cost["requestedQueryCost"] - actual))
        return self._cost(cost["requestedQueryCost"], bucket, actual)

    def _filled(self, whose: Hashable) -> Bucket:
        now = self._clock()
        bucket = self._buckets.get(whose)
        if bucket is None:
            bucket = self._buckets[whose] = Bucket(self._most, now)
            if len(self._buckets) > BUCKETS_KEPT:
                self._buckets.popitem(last=False)
        else:
            bucket.available = min(self._most, bucket.available + (now - bucket.filled_at) * self._rate)
            bucket.filled_at = now
            self._buckets.move_to_end(whose)
        return bucket

    def _cost(self, requested: int, bucket: Bucket, actual: int | None = None) -> Cost:
        return {
            "requestedQueryCost": requested,
            "actualQueryCost": actual,
            "throttleStatus": {
                "maximumAvailable": self._most,
                "currentlyAvailable": int(bucket.available),
                "restoreRate": self._rate,
            },
        }


def _whose(principal: Principal) -> Hashable:
    """Whoever they are, from wherever they ask and with whichever of their tokens."""
    return (
        principal.role.name,
        principal.organization_id,
        principal.person_id,
        principal.program_id,
        None if principal.person_id is not None else principal.name,
    )

"""A rate with a burst, as a bucket that fills evenly."""


class Bucket:
    """Holds at most `size`, fills with `rate` a second. May be overdrawn: then it says how long to wait."""

    def __init__(self, rate: float, size: float) -> None:
        self._rate, self._size = rate, size
        self._level = size
        self._at: float | None = None

    def _fill(self, now: float) -> None:
        if self._at is not None:
            self._level = min(self._size, self._level + (now - self._at) * self._rate)
        self._at = now

    def take(self, amount: float, now: float) -> float:
        """Take it, and the seconds to wait before taking more."""
        self._fill(now)
        self._level -= amount
        return max(0.0, -self._level / self._rate)

    def allows(self, amount: float, now: float) -> bool:
        """Take it if it is there."""
        self._fill(now)
        if self._level < amount:
            return False
        self._level -= amount
        return True

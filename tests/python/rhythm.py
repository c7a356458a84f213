"""How evenly pictures came: count, rate, and the gaps a person would see."""

import time

STALL = 0.5
# A joining viewer gets the past of its group at once; the rhythm is counted after that.
JOINING = 2.0


class Rhythm:
    """`goal`: pictures ("150") or seconds ("30s"), counted from the first picture."""

    def __init__(self, goal):
        self.seconds = float(goal[:-1]) if goal.endswith("s") else None
        self.count = None if self.seconds else int(goal)
        self.times = []

    def tick(self, at=None):
        """One picture came now, or at `at` seconds. True when the goal is reached."""
        self.times.append(time.monotonic() if at is None else at)
        return len(self.times) >= self.count if self.count else self.times[-1] - self.times[0] >= self.seconds

    def report(self):
        times = [at for at in self.times if at - self.times[0] >= JOINING]
        gaps = [b - a for a, b in zip(times, times[1:])]
        span = times[-1] - times[0] if len(times) > 1 else 0
        return {
            "frames": len(self.times),
            "fps": (len(times) - 1) / span if span else 0,
            "stalls": sum(gap > STALL for gap in gaps),
            "longest": round(1000 * max(gaps, default=0)),
        }

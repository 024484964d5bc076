"""Budget of the looks at a training run: a share of its time, kept by choosing how many samples a look draws.

With T seconds of training so far and S seconds of looks, room = share T - S is what the next look may take. It draws
the largest n of `SIZES` whose cost is expected to fit, at most four times the last one; the first draws the smallest.
The cost of a size that was not drawn yet is taken to grow in proportion to n. Where nothing fits, there is no look.
"""

from dataclasses import dataclass, field

SIZES = (16, 32, 64, 128, 256)
GROWTH = 4    # of n from one look to the next


@dataclass
class Budget:
    """Account of seconds.

    Parameters
    ----------
    share : float or None
        Looks' share of the training's time, in (0, 1]; None: every look is made, with n samples.
    n : int
        Samples of a look where there is no share.
    """

    share: float | None = 0.03
    n: int = 32
    training: float = 0.0
    spent: float = 0.0
    left_out: int = 0
    costs: dict = field(default_factory=dict)
    last: int | None = None

    def choose(self):
        """Return the n of the look that is due; None where there is no room for one.

        Examples
        --------
        >>> budget = Budget(0.03, training=100.0)      # room for 3 seconds
        >>> budget.choose()
        16
        >>> budget.pay(16, 0.25)
        >>> budget.choose(), budget.expected(64)       # four times as many are expected to take a second
        (64, 1.0)
        """
        if self.share is None:
            return self.n
        if self.last is None:
            return SIZES[0]
        room = self.share * self.training - self.spent
        fitting = [n for n in SIZES if n <= GROWTH * self.last and self.expected(n) <= room]
        return max(fitting, default=None)

    def expected(self, n):
        """Return the seconds that a look of n samples is expected to take."""
        below = [size for size in self.costs if size <= n]
        known = max(below) if below else min(self.costs)
        return self.costs[known] * max(1.0, n / known)

    def pay(self, n, seconds):
        """Note what a look of n samples took."""
        self.spent += seconds
        self.last, self.costs[n] = n, seconds

    def has_room(self, seconds):
        """Return whether so many seconds may be spent besides."""
        return self.share is None or self.share * self.training - self.spent > seconds

    def sentence(self):
        """Return how many looks were left out, and what to do about it."""
        return (f"{self.left_out} looks were left out to keep the budget of {100 * self.share:g} % of the training's "
                f"time: one of {SIZES[0]} samples takes {min(self.costs.values(), default=0):.2g} s; give a larger "
                "every= or budget=")

    def account(self):
        """Return the account as plain values, to go on with later."""
        return {"training": self.training, "spent": self.spent, "left_out": self.left_out, "last": self.last,
                "costs": [[n, seconds] for n, seconds in self.costs.items()]}

    def go_on(self, account):
        """Take over the account of an earlier process."""
        self.training, self.spent, self.left_out = account["training"], account["spent"], account["left_out"]
        self.last, self.costs = account["last"], {int(n): seconds for n, seconds in account["costs"]}

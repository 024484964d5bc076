"""Steps at which a monitor looks: the first call in each stretch of so many steps, each step once."""


class Turns:
    """The calls of a monitor.

    Parameters
    ----------
    every : int
        Steps of a stretch.

    Attributes
    ----------
    last : int or None
        Step of the last call that counted.
    """

    def __init__(self, every):
        self.every, self.last = every, None

    def fault(self, step):
        """Return what is wrong with a call at a step that is not later than the last one, else None."""
        if self.last is None or step > self.last:
            return None
        if step == self.last:
            return f"twice for step {step}: it counts once"
        return f"for step {step} after step {self.last}: steps that were passed are not looked at again"

    def take(self, step):
        """Count a call; return whether a look is due.

        Examples
        --------
        >>> turns = Turns(100)
        >>> [turns.take(step) for step in (40, 99, 100, 250, 260)]     # 250: the first call from step 200 on
        [False, False, True, True, False]
        """
        before, self.last = max(step - 1, 0) if self.last is None else self.last, step
        return step // self.every > before // self.every

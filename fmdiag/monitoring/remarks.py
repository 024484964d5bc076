"""Remarks of a monitor: what went wrong while training went on, each kept once until it is shown."""

from fmdiag.errors import one_line


class Remarks:
    """What a monitor met.

    Attributes
    ----------
    errors : list of str
        In the order in which they were met.
    """

    def __init__(self):
        self.errors, self._known = [], set()

    def is_new(self, text):
        """Whether a text has not come before; it has from now on."""
        new = text not in self._known
        self._known.add(text)
        return new

    def keep(self, text, like=None):
        """Keep a text, where none `like` it was kept."""
        if self.is_new(like or text):
            self.errors.append(one_line(text))

    def attempt(self, what, work):
        """Do some work, and keep the error that it raises."""
        try:
            work()
        except Exception as error:
            self.keep(f"{what}: {type(error).__name__}: {error}")

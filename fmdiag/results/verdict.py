"""Verdict of a run: a typed answer with the numbers that it rests on; its text is for people and is never parsed."""

from dataclasses import asdict, dataclass, field, fields

from fmdiag.errors import FmdiagError, check_choice

ANSWERS = ("copies found", "no excess found", "undecided", "not judged")


@dataclass(frozen=True)
class Verdict:
    """What a run answers to its question.

    Parameters
    ----------
    answer : str
        One of ANSWERS.
    text : str
        One sentence that claims no more than the answer.
    effect : dict, optional
        value, low, high, level and n of the quantity that decides, e.g. the excess of copies over held-out examples.
    p : float, optional
        p-value of the deciding test.
    exclusion : float, optional
        Largest effect that the data do not exclude.
    details : tuple of str
        Further sentences.
    numbers : dict
        Further plain values by name.

    Raises
    ------
    FmdiagError
        If the answer is none of ANSWERS.
    """

    answer: str
    text: str
    effect: dict | None = None
    p: float | None = None
    exclusion: float | None = None
    details: tuple = ()
    numbers: dict = field(default_factory=dict)

    def __post_init__(self):
        """Check the answer."""
        check_choice("answer", self.answer, ANSWERS)
        object.__setattr__(self, "details", tuple(self.details))

    def describe(self):
        """Return plain values, for JSON."""
        return {**asdict(self), "details": list(self.details)}

    @classmethod
    def of(cls, values):
        """Return the Verdict that `describe` gave; keys of later versions are left out.

        Raises
        ------
        FmdiagError
            If the values are none.
        """
        if not isinstance(values, dict) or not {"answer", "text"} <= values.keys():
            raise FmdiagError("a verdict has an answer and a text")
        known = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})

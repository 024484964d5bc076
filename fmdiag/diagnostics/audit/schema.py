"""Schema "fmdiag-audit/1" of audit.json, its definitions, and a check that a document follows it.

A JSON object with exactly these keys; later versions of the schema may add keys:

    schema       "fmdiag-audit/1"
    subject      {"checkpoint": object or null, "dataset": object}: hashes, sizes, how they were read
    verdicts     list of {"id": "copies" | "field" | "canaries" | "gap" | "returns", "question", "answer": "yes" |
                 "no evidence" | "undecided" | "not judged" | "not measured", "text", "tests": ids of the tests that
                 decide it}
    controls     list of {"id", "definition", "value", "low", "high", "level", "n", "expected", "passed": true | false |
                 null where nothing is expected}
    tests        list of {"id", "hypothesis", "family": "primary" | "secondary", "p", "p_holm"}: one-sided; p_holm is
                 corrected for the tests of its family
    correction   {"method": "holm", "comparisons": number of tests, "level": 0.05, "families": {name: number of tests}}
    values       list of {"diagnostic", "quantity", "definition", "value", "low", "high", "level", "n", "interval",
                 further keys such as t, source, feature}: every summary value; null where there is none
    copied       list of {"feature", "row", "file", "samples", "held_out"}: training examples that samples are copies of
                 by the rule, most copied first; file is empty where rows are no files; held_out: how many held-out
                 examples the rule calls copies of it
    definitions  {id: text}: of every definition id in values and controls
    limits       list of sentences: what this evidence does not show
    advice       list of sentences: how many samples would show more
    provenance   run.json: command, seed, versions, fingerprints, parameters
"""

from typing import Literal, NotRequired, TypedDict

import msgspec

from fmdiag.errors import FmdiagError

SCHEMA = "fmdiag-audit/1"
LEVEL = 0.05
ANSWERS = ("yes", "no evidence", "undecided", "not judged", "not measured")
DEFINITIONS = {
    "fmdiag/f_mem-l2-distinct-d2": "Share of samples with d1/d2 below the threshold (1/3: Yoon 2023, Gu 2023, Bonnaire "
        "2025); Euclidean; d2 to the nearest row that is no duplicate of the nearest row.",
    "fmdiag/mcnemar-exact-other-steps": "McNemar's exact test: are as many samples copies with half the steps, "
                                        "from the same noises?",
    "fmdiag/f_mem-excess": "f_mem of the samples minus that of held-out examples; Newcombe's interval, "
                           "samples of one training example counted together.",
    "fmdiag/membership-auc": "AUC of telling training from held-out images by the velocity field; û* with the image in "
        "the place of one training example on both sides, so that a field without knowledge of the rows has 1/2; "
        "auc_overall: mean rank over times; p: exchanges within pairs, one-sided; simultaneous: for all times and both "
        "scores together.",
    "fmdiag/attacks": "Published membership attacks (T_naive, T_mc, T_mc by compressed size, PIA, PIAN, SecMI, SimA, "
        "difference to a reference model) on the velocity field: attack_ values per time, over all images (balanced "
        "accuracy: of the half that did not choose its threshold); best_ values of one half of the images at the time "
        "that the other half chose; blind: compressed size, and cross-fitted logistic regression on principal "
        "components, without the model; above_blind: AUC minus that of the better blind baseline, DeLong; p: the "
        "larger of that of exchanges within pairs and that of DeLong's difference, one-sided; above_blind_p corrected "
        "by Holm for the attacks; attack_p of the one attack and time that the first half chose.",
    "fmdiag/excess-alignment": "cos(u, û*) for û* of training examples minus that for û* of as many held-out "
        "examples, on the paths of both; jackknife over pairs of rows.",
    "fmdiag/error": "Squared error against û*, and the CFM loss of training and held-out images per time; gap: "
        "held-out minus training loss, with a band for all times together; gap_p: exchanges within pairs, the largest "
        "gap over times.",
    "fmdiag/uturn": "Shares of training and held-out images that return when noised to t and carried back; "
        "returned_difference: training minus held-out share; difference_p: exchanges within pairs, the largest over "
        "times.",
    "fmdiag/geometry": "Local intrinsic dimension α tr dD(αx, t) + (α²/σ²) ||D(αx, t) - x||² of the field at training "
        "images, held-out images and samples, and of û*; lid_difference: training minus held-out; lid_p: exchanges "
        "within pairs, the largest difference over times; flat_share: share of coordinates at which D follows less "
        "than at 95 % of held-out images.",
    "fmdiag/patches": "Share of samples and of held-out images of which 15 % or more of the judged pixels are copied: "
        "in windows with d1/d2 < 1/3, or 0.1, at the same place (d2 to another image and other content; blank "
        "and common windows, and blank pixels, not judged), and pixels that agree with its source; patches_p:"
        " Fisher, one-sided, corrected for both bounds, samples that take most from one training image "
        "counted together.",
    "fmdiag/duplicates": "Share of training examples with an equal or near one (below 1/3 of the distance to the tenth "
        "nearest) beside that of held-out examples, members of a group counted together; leaks: held-out examples that "
        "equal or nearly equal a training example.",
    "fmdiag/path-energy": "Kinetic energy ½∫||v||²dt per coordinate of samples' paths, and its share from t = 0.9 on.",
    "fmdiag/provenance": "Posterior weights of training examples along trajectories of random samples; share of noises "
        "that lead to one row under the model and û*, beside as many held-out examples and their û*; 1 - Morisita's "
        "overlap of basin masses.",
    "fmdiag/canaries": "Share of planted (or held-out) images of which at least one sample is a copy, by multiplicity.",
    "fmdiag/summary": "Mean over independent units; see the documentation of the diagnostic.",
}


class Verdict(TypedDict):
    """An answer to one question."""

    id: str
    question: str
    answer: Literal[ANSWERS]
    text: str
    tests: list[str]


class Test(TypedDict):
    """One hypothesis."""

    id: str
    hypothesis: str
    family: NotRequired[Literal["primary", "secondary"]]
    p: float | None
    p_holm: float | None


class Estimate(TypedDict):
    """What values and controls have in common."""

    definition: str
    value: float | None
    low: float | None
    high: float | None
    level: float | None
    n: float | None


class Control(Estimate):
    """A value of which something is expected."""

    id: str
    expected: object
    passed: bool | None


class Value(Estimate):
    """A row of a summary."""

    diagnostic: str
    quantity: str
    interval: str | None


class Correction(TypedDict):
    """How p-values are corrected."""

    method: str
    comparisons: int
    level: float
    families: NotRequired[dict[str, int]]


class Copied(TypedDict):
    """A training example that samples are copies of."""

    feature: str
    row: int
    file: str
    samples: int
    held_out: int


class Document(TypedDict):
    """audit.json."""

    schema: Literal[SCHEMA]
    subject: dict
    verdicts: list[Verdict]
    controls: list[Control]
    tests: list[Test]
    correction: Correction
    values: list[Value]
    copied: NotRequired[list[Copied]]
    definitions: dict[str, str]
    limits: list[str]
    advice: list[str]
    provenance: dict


def validate(document):
    """Check that a document follows the schema; for readers of audit.json.

    Raises
    ------
    FmdiagError
        If it does not; the message names the key.
    """
    try:
        msgspec.convert(document, Document)
    except msgspec.ValidationError as error:
        raise FmdiagError(f"audit: no document of the schema {SCHEMA!r} ({error})") from error
    ids = {test["id"] for test in document["tests"]}
    unknown = [entry["id"] for entry in document["verdicts"] if not set(entry["tests"]) <= ids]
    if unknown:
        raise FmdiagError(f"audit: verdict {unknown[0]!r} rests on an unknown test")
    used = {entry["definition"] for key in ("values", "controls") for entry in document[key]}
    if used - set(document["definitions"]) or document["correction"]["comparisons"] != len(document["tests"]):
        raise FmdiagError("audit: a definition is not given, or the number of comparisons is not that of the tests")

"""Texts as LaTeX spells them, in ASCII alone, so that they compile in any document and with any engine."""

import unicodedata

SPECIAL = {"\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_",
           "%": r"\%", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$", "|": "$|$",
           '"': "''", "“": "``", "”": "''", "‘": "`", "’": "'", "–": "--", "—": "---", "…": r"\ldots{}",
           "×": r"$\times$",
           "−": "$-$", "²": "$^2$", "½": r"$\frac{1}{2}$", "∫": r"$\int$", "∞": r"$\infty$", "≤": r"$\leq$",
           "≥": r"$\geq$", "→": r"$\to$", "∇": r"$\nabla$", "·": r"$\cdot$", "‖": r"$\|$", "√": r"$\surd$",
           "±": r"$\pm$", "≈": r"$\approx$", "ß": r"{\ss}", "ø": r"{\o}", "Ø": r"{\O}", "ł": r"{\l}", "Ł": r"{\L}",
           "æ": r"{\ae}", "Æ": r"{\AE}"}
GREEK = {chr(code): rf"$\{name}$" for name, code in {
    "alpha": 0x3B1, "beta": 0x3B2, "gamma": 0x3B3, "delta": 0x3B4, "varepsilon": 0x3B5, "theta": 0x3B8, "lambda": 0x3BB,
    "mu": 0x3BC, "pi": 0x3C0, "rho": 0x3C1, "sigma": 0x3C3, "tau": 0x3C4, "phi": 0x3C6, "Delta": 0x394,
    "Sigma": 0x3A3}.items()}
ACCENTS = {0x300: "`", 0x301: "'", 0x302: "^", 0x303: "~", 0x304: "=", 0x306: "u", 0x307: ".", 0x308: '"', 0x30A: "r",
           0x30B: "H", 0x30C: "v", 0x327: "c"}


def tex(text):
    """Return a text for LaTeX: û* and Greek letters as mathematics, special characters escaped.

    Letters with accents are spelt by commands; what no Latin text has is named by its code, as U+6570.
    """
    parts = str(text).replace("\r", " ").replace("\n", " ").split("û*")
    return r"$\hat{u}^*$".join("".join(map(_letter, part)) for part in parts)


def _letter(letter):
    if letter in SPECIAL or letter in GREEK:
        return SPECIAL.get(letter) or GREEK[letter]
    if " " <= letter < "\x7f":
        return letter
    base, *marks = unicodedata.normalize("NFD", letter)
    if len(marks) == 1 and ord(marks[0]) in ACCENTS and base.isascii():
        return rf"\{ACCENTS[ord(marks[0])]}{{{base if base not in 'ij' else chr(92) + base}}}"
    return rf"\texttt{{U+{ord(letter):04X}}}"

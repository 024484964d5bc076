"""Trust in a model card's factory: the user's own in the working folder runs, a stranger's asks once.

What a card names is found without importing it. Code in the working folder or below, or in an installed package, is the
user's own. A card there may call it; of any other card only a network's class in it is taken. Everything else needs
--trust-code until the user has given it to this content: the card and the Python files beside what it names.
"""

import importlib.machinery
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from fmdiag.errors import FmdiagError
from fmdiag.files import trust
from fmdiag.files.consent import content_hash, is_remembered, remember
from fmdiag.files.trust import check_trust

INSTALLED = ("site-packages", "dist-packages")
MOST_FILES = 2000  # of Python beside a factory: consent to more is not remembered


@dataclass(frozen=True)
class Factory:
    """A card's factory, found and not imported.

    Parameters
    ----------
    text : str
        As the card spells it.
    card : Path or None
        The card; None where the factory was given in Python.
    origin : Path or None
        File or folder of a stranger's code, None for the user's: in the working folder, or an installed package.
    reach : list of Path
        Folders from which it may be imported.
    """

    text: str
    card: Path | None
    origin: Path | None
    reach: list

    @property
    def is_own(self):
        """Whether card and code are the user's; what is given in Python is."""
        return self.card is None or self.origin is None and is_of_user(self.card)

    def check(self, trust_code):
        """Refuse code that is not the user's own unless it is trusted now or was before; then warn, and remember.

        Raises
        ------
        FmdiagError
            If it is not trusted.
        """
        key = self._key()
        place = "" if self.origin is None else f" ({self.origin})"
        check_trust(self.card, f"a model card with the factory {self.text}{place}, not in the working folder",
                    trust_code or key is not None and is_remembered(key))
        if key is not None:
            remember(key)

    def facts(self):
        """Return what descriptions record: empty where nothing had to be trusted."""
        return {} if self.is_own else {"code": f"factory {self.text}: run as --trust-code allows"}

    def _key(self):
        """Return the hash of the card and the Python files that may be run; None for too many."""
        folder = self.origin if self.origin is None or self.origin.is_dir() else self.origin.parent
        files = [] if folder is None else _first(folder.rglob("*.py"), MOST_FILES + 1)
        if len(files) > MOST_FILES:
            return None
        try:
            return content_hash([(self.text, self.card.read_bytes()),
                                 *((str(file.relative_to(folder)), file.read_bytes()) for file in sorted(files))])
        except OSError:  # one that may not be read
            return None


def find_factory(choices, module, folders):
    """Return the Factory of `choices`, which would be imported as `module` with `folders` in reach.

    Raises
    ------
    FmdiagError
        If it is of Python's own library, which has no network, or of a program.
    """
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names or "__main__" in module.split("."):
        raise FmdiagError(f"factory {choices.factory!r} is of Python's own library, or a program: name a class or "
                          "function that makes the network")
    origin = _origin(top, folders)
    # What the user's own code imports in its turn must not be found beside a stranger's card.
    strange = choices.card is not None and origin is None and not is_of_user(choices.card)
    return Factory(choices.factory, choices.card, origin, [f for f in folders if not strange or is_of_user(f)])


def check_made_by(factory, text):
    """Refuse what is no maker of networks: another class, and functions of Python's own library under any name.

    Raises
    ------
    FmdiagError
        If `factory`, an imported attribute, is one.
    """
    if isinstance(factory, type) and not issubclass(factory, nn.Module):
        raise FmdiagError(f"factory {text!r} is a class that is no torch.nn.Module")
    module = getattr(factory, "__module__", None) or type(factory).__module__
    if not isinstance(factory, type) and str(module).partition(".")[0] in sys.stdlib_module_names:
        raise FmdiagError(f"factory {text!r} is of Python's own library ({module}): name a class or function that "
                          "makes the network")


def is_network_class(factory):
    """Return whether an imported attribute is a class of networks."""
    return isinstance(factory, type) and issubclass(factory, nn.Module)


def _origin(top, folders):
    """Return where a module lies if that is in a folder that is not the user's; None for what is, or is installed."""
    specification = importlib.machinery.PathFinder.find_spec(top, [*map(str, folders), *sys.path])
    places = [specification.origin] if specification and specification.origin else list(
        specification.submodule_search_locations or ()) if specification else []
    for place in map(Path, places):
        place = place.parent if place.name == "__init__.py" else place
        for folder in folders:
            if place.is_relative_to(folder) and not set(place.relative_to(folder).parts) & set(INSTALLED):
                return None if is_of_user(place) else place
    return None


def is_of_user(path):
    """Return whether code in a path is the user's: not all that there is because the working folder is /."""
    return Path.cwd() != Path.cwd().parent and trust.is_of_user(path)


def _first(iterable, n):
    return [item for item, _ in zip(iterable, range(n), strict=False)]

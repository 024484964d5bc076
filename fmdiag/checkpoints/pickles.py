"""Names that a pickle would import, read from its opcodes; nothing is executed."""

import pickletools

from fmdiag.files.regular import open_regular
from fmdiag.files.torch_zip import torch_zip
from fmdiag.files.zips import is_zip

# What torch itself writes into every file of tensors, and what `read_torch_file` allows.
HARMLESS = ("collections.OrderedDict", "argparse.Namespace", "torch._utils._rebuild_", "torch.storage.",
            "torch.serialization._get_layout")
STRINGS = ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE", "STRING", "SHORT_BINSTRING")
# A file of torch's old format is five pickles in a row, then raw tensors.
MAX_PICKLES = 5
LONGEST = 1 << 26  # bytes of a pickle that is looked into


def imported_names(file):
    """Return the names that the pickle in `file` would import, those of plain tensors left out.

    Parameters
    ----------
    file : path
        A pickle, a torch file of the old format (pickles in a row), or one of the new (a zip with a ``data.pkl``).

    Returns
    -------
    list of str
        Sorted, e.g. ``["posix.system"]``; empty where nothing else is imported or the file is no pickle.
    """
    names = set()
    try:
        if is_zip(file):
            with torch_zip(file) as archive:
                for name, member in archive.by_name().items():
                    if name.rpartition("/")[2].lower() == "data.pkl":
                        names.update(_names_in(archive.read(member, at_most=LONGEST)))
        else:
            with open_regular(file) as stream:
                for _ in range(MAX_PICKLES):
                    names.update(_names_in(stream))
    except Exception:  # whatever damaged bytes spell: lengths that no memory holds, names that are no text
        pass  # a pickle that ends early: what was found until then is what there is to tell
    return sorted(name for name in names if not name.startswith(HARMLESS) and not name.endswith("Storage"))


def _names_in(pickle):
    """Yield every global; a name may be spelt once and fetched from the memo afterwards."""
    strings, memo, top = [], {}, None
    for opcode, argument, _ in pickletools.genops(pickle):
        if opcode.name == "GLOBAL":
            yield argument.replace(" ", ".")
        elif opcode.name == "STACK_GLOBAL" and len(strings) >= 2:
            yield f"{strings[-2]}.{strings[-1]}"
        if opcode.name == "MEMOIZE" or opcode.name.endswith("PUT"):
            memo[len(memo) if argument is None else argument] = top
            continue
        top = argument if opcode.name in STRINGS else memo.get(argument) if opcode.name.endswith("GET") else None
        strings += [] if top is None else [top]

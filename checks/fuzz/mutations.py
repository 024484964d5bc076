"""How does a valid file become a hostile one? Mutations of bytes, of text, of archives and of objects.

All take a `random.Random`, so that a case is its number: the same bytes on every machine.
"""

import io
import re
import struct
import tarfile
import warnings
import zipfile

NUMBERS = (0, 1, -1, 2, 3, 7, 127, 128, 255, 256, 1000, 32767, 65535, 65536, 10**6, 2**31 - 1, 2**31, 2**32 - 1, 2**32,
           10**12, 2**62, 2**63 - 1, 2**63, 2**64 - 1, 10**30)
WORDS = ("", "x", "../out", "/etc/passwd", "<script>alert(1)</script>", "a\nb", "\x1b[31mred", "\x00", "é", "\\", "..",
         "nan", "inf", "1e400", "None", "null", "true", "{", "[", "]", "}", '"', "'", "#", "&a [*a]", "!!python/name:os",
         "(" * 300, "[" * 3000, "9" * 5000, "-1", "1.5", "|O", "<U4", "<f4", ">c16", "V8", "data", "x" * 300)
NAMES = ("../out.png", "/tmp/fmdiag-fuzz-out", "a/../../b", "..\\c.npy", "C:\\d", "<script>.png", "new\nline.png",
         "x" * 300, "nul\x00.png", "", ".", "..", "dir/", "data.pkl", "constants.pkl", "train/x.npy", "é.png")


def truncate(data, rng, other):
    return data[: rng.randrange(len(data) + 1)]


def flip(data, rng, other):
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        if data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def overwrite(data, rng, other):
    at, n = rng.randrange(len(data) + 1), rng.choice((1, 2, 4, 16))
    return data[:at] + rng.choice((b"\x00" * n, b"\xff" * n, rng.randbytes(n))) + data[at + n :]


def insert(data, rng, other):
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.randbytes(rng.choice((1, 2, 8, 64))) + data[at:]


def delete(data, rng, other):
    at = rng.randrange(len(data) + 1)
    return data[:at] + data[at + rng.choice((1, 2, 8, 64)) :]


def repeat(data, rng, other):
    at, n = rng.randrange(len(data) + 1), rng.choice((1, 4, 32))
    return data[:at] + data[at : at + n] * rng.choice((2, 3, 9)) + data[at + n :]


def splice(data, rng, other):
    at, start = rng.randrange(len(data) + 1), rng.randrange(len(other) + 1)
    return data[:at] + other[start : start + rng.choice((4, 32, 10**6))]


def integer(data, rng, other):
    """Write a nasty number where a length may be, in either byte order; headers hold most of them."""
    size, order = rng.choice((1, 2, 4, 8)), rng.choice("<>")
    at = rng.randrange(min(len(data) + 1, rng.choice((16, 64, 10**6))))
    value = struct.pack(f"{order}Q", rng.choice(NUMBERS) % 2**64)
    return data[:at] + (value[:size] if order == "<" else value[-size:]) + data[at + size :]


def number(data, rng, other):
    """Replace a number that is written in text, as in the headers of .npy and safetensors."""
    found = list(re.finditer(rb"\d+", data[:4000]))
    if not found:
        return flip(data, rng, other)
    place = rng.choice(found)
    return data[: place.start()] + str(rng.choice(NUMBERS)).encode() + data[place.end() :]


def word(data, rng, other):
    """Replace or insert a word of text."""
    found = list(re.finditer(rb"[A-Za-z_.|<>]+", data[:4000])) or [re.match(b"", data)]
    place = rng.choice(found)
    start = place.start() if rng.random() < 0.7 else place.end()
    return data[:start] + rng.choice(WORDS).encode() + data[place.end() :]


BYTES = (truncate, flip, flip, overwrite, insert, delete, repeat, splice, integer, integer)
TEXT = (*BYTES, number, number, word, word)


def mutated(data, rng, other, kinds=TEXT):
    """Return `data` after one to three mutations."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = rng.choice(kinds)(data, rng, other)
    return data


def mutated_zip(data, rng, other):
    """Return a zip whose members were mutated and whose checksums are right, so that readers look further."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    except Exception:
        return mutated(data, rng, other)
    k = rng.randrange(len(members))
    name, content = members[k]
    action = rng.random()
    if action < 0.7:
        members[k] = name, mutated(content, rng, other)
    elif action < 0.8:
        members[k] = rng.choice(NAMES), content
    elif action < 0.9:
        del members[k]
    else:
        members.append((rng.choice((name, *NAMES)), content))
    return zipped(members, rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))


def zipped(members, compression=zipfile.ZIP_STORED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in members:
            warnings.simplefilter("ignore")  # duplicate names are meant
            info = zipfile.ZipInfo("x")
            info.filename, info.compress_type = name, compression  # the constructor would mend the name
            archive._didModify = True
            try:
                archive.writestr(info, content)
            except (ValueError, UnicodeError):
                continue
    return stream.getvalue()


def mutated_tar(data, rng, other, mode=""):
    """Return a tar with mutated members: contents, names, links, devices, sizes; headers have right checksums."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = [(info, archive.extractfile(info).read() if info.isfile() else b"") for info in archive]
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=f"w:{mode}") as archive:
        target = rng.randrange(len(members))
        for k, (info, content) in enumerate(members):
            if k == target:
                content = _changed_member(info, content, rng, other)
            info.size = len(content) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def _changed_member(info, content, rng, other):
    action = rng.random()
    if action < 0.4:
        return mutated(content, rng, other)
    if action < 0.6:
        info.name = rng.choice(NAMES).replace("\x00", "") or "."
    elif action < 0.9:
        info.type = rng.choice((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE))
        info.linkname = rng.choice(("/etc/passwd", "../../x", ".", "top", info.name, "0.png"))
    else:
        info.mode = rng.choice((0, 0o4777, 0o7777))
    return content


def mutated_object(value, rng, depth=0):
    """Return a copy of nested dicts, lists and tensors in which one place holds something else."""
    import torch

    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        changed = dict(value)
        action = rng.random()
        if action < 0.15:
            del changed[key]
        elif action < 0.25:
            changed[rng.choice((*WORDS[:14], 3, None, 1.5))] = changed.pop(key)
        else:
            changed[key] = mutated_object(value[key], rng, depth + 1)
        return changed
    if isinstance(value, (list, tuple)) and value and rng.random() < 0.7:
        changed = list(value)
        k = rng.randrange(len(changed))
        changed[k] = mutated_object(changed[k], rng, depth + 1)
        return type(value)(changed)
    if isinstance(value, torch.Tensor) and rng.random() < 0.8:
        return mutated_tensor(value, rng)
    return rng.choice((*NUMBERS[:-1], *WORDS[:26], None, True, 1.5, float("nan"), float("inf"), [], {}, [[]], (), b"x",
                       torch.zeros(2), torch.zeros(()), [1, "a"], {"a": {"b": 1}}, {1: 2}, "x" * 5000))


def mutated_tensor(tensor, rng):
    """Return a tensor of another value, shape, dtype, layout or stride."""
    import torch

    def poisoned():
        copy = tensor.clone()
        if copy.numel() and copy.is_floating_point():
            copy.view(-1)[rng.randrange(copy.numel())] = rng.choice((float("nan"), float("inf"), 1e38))
        return copy

    kinds = (poisoned, lambda: tensor.reshape(-1), lambda: tensor[None], lambda: tensor[:0], lambda: tensor.double(),
             lambda: tensor.to(torch.complex64), lambda: tensor.bool(), lambda: tensor.long(),
             lambda: tensor.to(torch.bfloat16), lambda: tensor.to(torch.float8_e4m3fn),
             lambda: torch.zeros(1).expand(rng.choice((10, 10**6, 10**12)), *tensor.shape[1:][:1]),
             lambda: tensor.float().to_sparse(), lambda: torch.empty(tensor.shape, device="meta"),
             lambda: torch.nn.Parameter(tensor.float()), lambda: torch.zeros(()),
             lambda: torch.quantize_per_tensor(tensor.float(), 0.1, 0, torch.quint8), lambda: tensor.to(torch.uint16))
    return rng.choice(kinds)()

"""Figures embedded in one page that can be mailed: drawings as SVG, pictures as PNG, shrunk where big."""

import base64
import io

from PIL import Image

BUDGET = 2_400_000
MOST_SVG = 300_000


def embedded(files, *, budget=BUDGET):
    """Return {name: {"src", "width", "height", "drawing"}} of figures as data URIs.

    Parameters
    ----------
    files : dict of str to Path
        Figure name -> PNG file; where NAME.svg lies beside it, holds no pixels and is small, it is taken instead.
    budget : int
        Bytes (before base64, which adds a third) that all pictures together may take.
    """
    drawings = {name: _drawing(path.with_suffix(".svg")) for name, path in files.items()}
    drawings = {name: content for name, content in drawings.items() if content is not None}
    left = max(budget // 3, budget - sum(map(len, drawings.values())))
    contents = {name: path.read_bytes() for name, path in files.items() if name not in drawings}
    # The largest pictures give way first; halving the side quarters the bytes, so this ends soon.
    while contents and sum(map(len, contents.values())) > left:
        largest = max(contents, key=lambda name: len(contents[name]))
        smaller = _scaled(contents[largest], 0.75)
        if len(smaller) >= len(contents[largest]):
            break
        contents[largest] = smaller
    return {name: _image(path, drawings.get(name), contents.get(name)) for name, path in files.items()}


def _drawing(path):
    """Return the bytes of an SVG file that is worth showing as such, else None."""
    content = path.read_bytes() if path.is_file() else None
    return content if content and len(content) <= MOST_SVG and b"<image" not in content else None


def _image(path, drawing, picture):
    with Image.open(path) as original:
        width, height = original.size
    kind, content = ("png", picture) if drawing is None else ("svg+xml", drawing)
    uri = f"data:image/{kind};base64," + base64.b64encode(content).decode("ascii")
    return {"src": uri, "width": width, "height": height, "drawing": drawing is not None}


def _scaled(content, factor):
    with Image.open(io.BytesIO(content)) as image:
        size = [max(1, round(side * factor)) for side in image.size]
        smaller = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    smaller.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()

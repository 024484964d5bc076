"""How do a run's figures fit into one page that can be mailed? As PNG in base64, shrunk only where it grows too big."""

import base64
import io

from PIL import Image

BUDGET = 3_000_000


def embedded(files, *, budget=BUDGET):
    """Return {name: {"src", "width", "height"}} of PNG files as data URIs.

    Parameters
    ----------
    files : dict of str to Path
        Figure name -> PNG file.
    budget : int
        Bytes (before base64, which adds a third) that all pictures together may take.
    """
    contents = {name: path.read_bytes() for name, path in files.items()}
    # The largest pictures give way first; halving the side quarters the bytes, so this ends soon.
    while contents and sum(map(len, contents.values())) > budget:
        largest = max(contents, key=lambda name: len(contents[name]))
        smaller = _scaled(contents[largest], 0.75)
        if len(smaller) >= len(contents[largest]):
            break
        contents[largest] = smaller
    return {name: _image(content, files[name]) for name, content in contents.items()}


def _image(content, path):
    with Image.open(path) as original:
        width, height = original.size
    uri = "data:image/png;base64," + base64.b64encode(content).decode("ascii")
    return {"src": uri, "width": width, "height": height}


def _scaled(content, factor):
    with Image.open(io.BytesIO(content)) as image:
        size = [max(1, round(side * factor)) for side in image.size]
        smaller = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    smaller.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()

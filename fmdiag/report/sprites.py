"""How do hundreds of small pictures fit into a page? As one picture that holds them all, each different one once."""

import base64
import io

import numpy as np
from PIL import Image

MOST_PNG = 400_000
SIDE = 96
QUALITY = 90


def sprite(images):
    """Return (sheet, numbers): one picture with every distinct image, and which of them each image is.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, c, h, w)
        One or three channels; of another number the first is shown, or the first three.

    Returns
    -------
    sheet : dict
        src (data URI), width and height (of one image, at most 96) and columns.
    numbers : ndarray of int, shape (n,)
        Place of each image in the sheet, counted along its rows.
    """
    images = np.ascontiguousarray(images)
    flat = images.reshape(len(images), -1)
    _, first, numbers = np.unique(flat, axis=0, return_index=True, return_inverse=True)
    cells = [_cell(images[k]) for k in first]
    width, height = cells[0].size
    columns = int(np.ceil(np.sqrt(len(cells))))
    sheet = Image.new(cells[0].mode, (columns * width, -(-len(cells) // columns) * height))
    for place, cell in enumerate(cells):
        sheet.paste(cell, (place % columns * width, place // columns * height))
    return {"src": _uri(sheet), "width": width, "height": height, "columns": columns}, numbers.reshape(-1)


def _cell(image):
    shown = np.moveaxis(image[:3] if len(image) >= 3 else image[:1], 0, -1)
    cell = Image.fromarray(shown if shown.shape[-1] == 3 else shown[..., 0])
    longest = max(cell.size)
    if longest > SIDE:
        cell = cell.resize([max(1, round(side * SIDE / longest)) for side in cell.size], Image.Resampling.LANCZOS)
    return cell


def _uri(sheet):
    """Return the sheet without loss where that is small, else as WebP of high quality."""
    small = sheet.width * sheet.height * len(sheet.getbands()) <= 8 * MOST_PNG
    for kind, options in [("png", {})][:small] + [("webp", {"quality": QUALITY, "method": 2})]:
        buffer = io.BytesIO()
        sheet.save(buffer, kind, **options)
        if buffer.tell() <= MOST_PNG:
            break
    return f"data:image/{kind};base64," + base64.b64encode(buffer.getvalue()).decode("ascii")

"""Sprites: hundreds of small pictures as one picture that holds them all, each different one once."""

import base64
import io

import numpy as np
from PIL import Image

MOST_PNG, MOST_WEBP = 400_000, 900_000
SIDE = 96
# Of all pictures of a sheet: more of them are shown smaller.
MOST_VALUES = 3_000_000
QUALITIES = (90, 75, 50, 25)


def sprite(images):
    """Return (sheet, numbers): one picture with every distinct image, and which of them each image is.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, c, h, w)
        One or three channels; of another number the first is shown, or the first three.

    Returns
    -------
    sheet : dict
        src (data URI), width and height (of one image, at most 96, less of very many) and columns.
    numbers : ndarray of int, shape (n,)
        Place of each image in the sheet, counted along its rows.
    """
    places, first = {}, []
    for k, image in enumerate(images):
        if places.setdefault(image.tobytes(), len(first)) == len(first):
            first.append(k)
    side = min(SIDE, int(np.sqrt(MOST_VALUES / (len(first) * min(3, images.shape[1])))))
    cells = [_cell(images[k], side) for k in first]
    width, height = cells[0].size
    columns = int(np.ceil(np.sqrt(len(cells))))
    sheet = Image.new(cells[0].mode, (columns * width, -(-len(cells) // columns) * height))
    for place, cell in enumerate(cells):
        sheet.paste(cell, (place % columns * width, place // columns * height))
    numbers = np.array([places[image.tobytes()] for image in images])
    return {"src": _uri(sheet), "width": width, "height": height, "columns": columns}, numbers


def _cell(image, side):
    shown = np.moveaxis(image[:3] if len(image) >= 3 else image[:1], 0, -1)
    cell = Image.fromarray(shown if shown.shape[-1] == 3 else shown[..., 0])
    longest = max(cell.size)
    if longest > side:
        cell = cell.resize([max(1, round(length * side / longest)) for length in cell.size], Image.Resampling.LANCZOS)
    return cell


def _uri(sheet):
    """Return the sheet without loss where that is small, else as WebP of as high a quality as the page has room for."""
    small = sheet.width * sheet.height * len(sheet.getbands()) <= 8 * MOST_PNG
    lossy = [("webp", MOST_WEBP, {"quality": quality, "method": 2}) for quality in QUALITIES]
    for kind, most, options in [("png", MOST_PNG, {})][:small] + lossy:
        buffer = io.BytesIO()
        sheet.save(buffer, kind, **options)
        if buffer.tell() <= most:
            break
    return f"data:image/{kind};base64," + base64.b64encode(buffer.getvalue()).decode("ascii")

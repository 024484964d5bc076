"""Training images in blocks with examples last, so that sums over examples run through contiguous memory.

Blocks are kept where they fit into half of the memory given, else read and turned again on each pass.
"""

ENTRIES = {"cpu": 1 << 18, "cuda": 1 << 25}   # of one map of work (pixels x examples): on a CPU it stays in cache
ARRAYS = 12                                   # maps of work that are held at once


class ImageRows:
    """Rows of a training set as float64 images.

    Parameters
    ----------
    training_set : TrainingSet
        n images.
    shape : tuple of int
        (channels, height, width) of one.
    memory : int
        Bytes that may be used for what is kept and for work.
    device : torch.device
        Where blocks are handed out.
    block_rows : int, optional
        Examples per block.
    """

    def __init__(self, training_set, shape, memory, device, block_rows=None):
        self.training_set, self.shape, self.device = training_set, shape, device
        self.entries = max(1, min(ENTRIES.get(device.type, ENTRIES["cuda"]), memory // (8 * 4 * ARRAYS)))
        self.block_rows = block_rows or max(1, min(training_set.n, self.entries // (shape[1] * shape[2])))
        self._keep = 8 * training_set.n * training_set.dim <= memory // 2
        self._kept = None

    def __iter__(self):
        """Yield float64 images, shape (channels, height, width, m)."""
        if self._kept is not None:
            yield from self._kept
            return
        kept = []
        for _, block in self.training_set.blocks(self.block_rows, device=self.device):
            images = block.double().T.contiguous().reshape(*self.shape, len(block))
            if self._keep:
                kept.append(images)
            yield images
        self._kept = kept if self._keep else None

    def queries(self, b, m):
        """Yield slices of range(b): so many queries that their maps over m examples are no larger than `entries`."""
        at_once = max(1, self.entries // (m * self.shape[1] * self.shape[2]))
        for start in range(0, b, at_once):
            yield slice(start, min(b, start + at_once))

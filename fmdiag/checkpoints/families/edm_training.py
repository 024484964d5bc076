"""What an EDM file records of its training: mirrored copies, the path of the data, augmentation.

A snapshot keeps `dataset_kwargs` (class_name, path, xflip, use_labels, resolution, max_size) and the `augment_pipe`,
whose attributes are the strengths of its transforms, under the probability `p`. With xflip every row was used mirrored
too. Augmented pictures came with their transform as a further condition, which is absent when the network is asked.
"""


def recorded(content):
    """Return the facts {hflip, trained_on, augmentation, ...} that the file says; empty where it says nothing."""
    if not isinstance(content, dict):
        return {}
    facts, dataset = {}, content.get("dataset_kwargs")
    if isinstance(dataset, dict):
        if "xflip" in dataset:
            facts["hflip"] = bool(dataset["xflip"])
        if dataset.get("path") is not None:
            facts["trained_on"] = str(dataset["path"])
        if dataset.get("max_size") is not None:
            facts["trained_on"] = f"{facts.get('trained_on', 'its data')}, {dataset['max_size']} rows of it at most"
    if "augment_pipe" in content:
        facts["augmentation"] = _augmentation(content["augment_pipe"])
    return facts


def _augmentation(pipe):
    """Return the transforms of an augmentation pipe, "none" where there is none or its probability is 0."""
    strengths = {name: value for name, value in getattr(pipe, "__dict__", {}).items()
                 if isinstance(value, int | float) and not isinstance(value, bool) and value and name[0] != "_"}
    p = strengths.pop("p", None)
    transforms = [name for name in strengths if not name.endswith(("_max", "_std"))]
    if pipe is None or p is None or not transforms:
        return "none" if pipe is None or p is None else f"p = {p:g}"
    return f"p = {p:g}: {', '.join(transforms)}, given to the network as a condition"

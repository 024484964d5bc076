"""What is said where memory does not suffice or a device fails: one line with what to do, as for wrong input."""


def machine_error(error):
    """Return the message of a MemoryError or RuntimeError that is the machine's, None for any other."""
    from fmdiag.devices import is_lost_device

    first = str(error).splitlines()[0] if str(error) else "no details"
    if is_lost_device(error):
        return (f"the device failed ({first}): give the same command again, or leave the device out with --device cpu; "
                "nvidia-smi shows whether a GPU is still there")
    if isinstance(error, MemoryError) or "allocate" in str(error) or "out of memory" in str(error):
        return f"out of memory ({first}); try a smaller --memory, --n-pairs or --n-samples"
    return None

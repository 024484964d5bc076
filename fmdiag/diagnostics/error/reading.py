"""Reading."""


def checked_heads(context):
    """Placeholder until merge."""
    return {}, []

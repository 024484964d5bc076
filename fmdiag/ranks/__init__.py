"""Ranks: several processes that answer as one, started by torchrun. Nothing here is imported before it is needed."""

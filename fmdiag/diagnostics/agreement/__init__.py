"""The diagnostic agreement: card, measurement and what belongs to it."""

"""The diagnostic pairing: card, measurement and what belongs to it."""

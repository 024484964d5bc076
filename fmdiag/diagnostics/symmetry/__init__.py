"""The diagnostic symmetry: card, measurement and what belongs to it."""

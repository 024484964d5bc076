"""The diagnostic canaries: card, measurement and what belongs to it."""

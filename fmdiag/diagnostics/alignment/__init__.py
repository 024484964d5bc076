"""The diagnostic alignment: card, measurement and what belongs to it."""

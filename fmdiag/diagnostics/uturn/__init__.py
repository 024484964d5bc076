"""The diagnostic uturn: card, measurement and what belongs to it."""

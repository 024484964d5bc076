"""The diagnostic provenance: card, measurement and what belongs to it."""

"""Files that outlast a crash and readers that outlast a hostile file."""

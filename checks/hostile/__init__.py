"""Files made to run code, to write where they may not, or to fill memory."""

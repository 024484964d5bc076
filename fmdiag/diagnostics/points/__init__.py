"""Points at which diagnostics measure: pairs, pictures and nearest rows, checked."""

"""Long trials of fmdiag, each a command with its committed result in checks/results/."""

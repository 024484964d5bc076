"""The command line as a module: `python -m fmdiag` is `fmdiag`."""

from fmdiag.cli.main import main

if __name__ == "__main__":
    main()

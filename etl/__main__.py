"""`python -m etl` is `clickreplay`."""

from etl.cli import main

if __name__ == "__main__":
    main()

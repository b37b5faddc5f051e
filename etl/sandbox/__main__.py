"""`python -m etl.sandbox`: the command by itself."""

import sys

from etl.errors import ClickreplayError
from etl.sandbox.command import sandbox

if __name__ == "__main__":
    try:
        sandbox.main(prog_name="sandbox")
    except ClickreplayError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(int(error.exit))

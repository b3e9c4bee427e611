"""The command `concierge`: errors become one sentence and an exit code here, and nowhere else."""

import sys

from concierge_cli import app
from concierge_proto import errors


def main() -> None:
    try:
        app.app()
    except errors.ConciergeError as error:
        print(f"concierge: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, errors.Permanent) else 1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()

"""The command `concierge`: errors become one sentence and an exit code here, and nowhere else."""

import sys

from concierge_cli import app
from concierge_proto import errors


def main() -> None:
    try:
        app.app()
    except KeyboardInterrupt:
        sys.exit(130)
    except (errors.ConciergeError, BaseExceptionGroup) as error:
        cause = errors.cause(error)
        if not isinstance(cause, errors.ConciergeError):
            raise
        print(f"concierge: {cause}", file=sys.stderr)
        sys.exit(2 if isinstance(cause, errors.Permanent) else 1)


if __name__ == "__main__":
    main()

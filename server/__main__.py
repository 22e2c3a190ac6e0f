"""The one command line: `python3 -m server demo`. This file and server/__init__.py keep to syntax that old Pythons can
parse, so that they can say what is missing instead of showing a SyntaxError."""

import sys

if sys.version_info < (3, 11):
    sys.exit(
        "Countersign needs Python 3.11 or newer; this is %d.%d. "
        "Install a newer one and run again with it: python3.11 -m server %s"
        % (sys.version_info[0], sys.version_info[1], " ".join(sys.argv[1:]) or "--help")
    )

from server.bootstrap import main

if __name__ == "__main__":
    main()

"""``python -m datapkg`` is the command ``datapkg``."""

from __future__ import annotations

from datapkg.cli import main

if __name__ == "__main__":
    main()

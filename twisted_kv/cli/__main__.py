"""Run owncache-cli with `python -m twisted_kv.cli`."""

from __future__ import annotations

from twisted_kv.cli import main

raise SystemExit(main())

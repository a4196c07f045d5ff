"""Write score tables of every run below some work dirs: ``python extract_tables.py [WORK_DIR ...]``."""

from mmseg_ext.tables.command import main

if __name__ == "__main__":
    raise SystemExit(main())

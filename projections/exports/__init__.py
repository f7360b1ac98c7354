"""The book as files that other programs read: a module a format, the same numbers in each.

Whatever is written ends at one position. The log only grows and lines at or below a position never
change, so no file needs a snapshot, and only a page is in memory at a time. `formats.py` lists
them; the verifier's own is `projections/log_export.py`.
"""

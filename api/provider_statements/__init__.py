"""Providers' statements, as CSV: what each line says, what the ledger knows of it, what follows.

mapping.py         what a provider calls its columns and its kinds of lines; a file a provider
reading.py         bytes to rows, whatever a spreadsheet did to them
amounts.py         amounts and times, exactly or not at all
lines.py           a row to lines; what a line is called for ever
matching.py        a line and the ledger's entries: the same, different, or unknown
reports.py         what is recorded of a line that the ledger does not have
planning.py        how much a statement would record
second_person.py   on whose word it is recorded
tables.py          what is kept of it, in SQL
reconciler.py      the whole, a batch after another
sealed_file.py     the file itself, under a key of its own
csv_output.py      items as CSV again
"""

"""How fast is it, against what everybody can try? Ratios taken in one run on one machine.

`make bench` runs all rows, `make bench ROWS=turn-1000,pgbench` some. Every row alternates between
Hesabu and what it is compared with (A B A B …) on the same server, so that whatever else the
machine does meets both.
"""

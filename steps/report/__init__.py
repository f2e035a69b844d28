"""What a table holds, and what is odd about it: reported when it is loaded, before training.

`survey` describes each column of the table as read, with `column_checks`. `table_checks` look at
what a model would be fitted on. `report` puts both together; `page` and `screen` show it, and
`publish` logs it on the run of a load, and refuses the table if it must have no warnings.

All of it is a function of the table alone: no clock and no unseeded sample, so that a replay
writes the same bytes.
"""

"""Pages for people about an index: its methodology, its results, its rebalances. Start at `study.py`.

methodology_page   the rules of an index file in plain words, with every number, its unit and the hash
explanation        a decision told step by step; one coin, and why or why not
study              an index beside its passive twin, benchmarks, survivors and delays
tables, figures    what a study shows
report_page        one HTML file to read, a factsheet, and the numbers for machines
statements         what every page about results has to say
"""

"""Pages for people about an index: its methodology, its results, its rebalances. Start at `methodology_page.py`.

methodology_page   the rules of an index file in plain words, with every number, its unit and the hash
explanation        a decision told step by step; one coin, and why or why not
study              an index beside its passive twin, benchmarks, survivors and delays
"""

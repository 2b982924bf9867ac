"""`make demo`: an index from its file to its report, on a local chain. Start at `story.py`.

story      what happens, day by day
collect    what the chain says happened
__main__   arguments, progress on the terminal, exit codes
"""

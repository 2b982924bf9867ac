"""The command `ballast`. Start at `app.py`; each group of commands is one file, and imports what it needs when it runs."""

"""Many indexes looked after at once: alerts, a dashboard, a read-only API. Start at `desk.py`, which answers for all three.

many       all indexes decided on one market      alerts      what somebody should look at, once for each change
dashboard  one page                               api         the same answers over HTTP
"""

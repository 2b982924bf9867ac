"""Numbers about results: measures, attribution, exposure, tax lots, fees. Pure functions. Start at `measures.py`.

measures      return and risk of a line of levels, each with its formula and source
periods       daily, weekly, monthly returns and since the start
attribution   what the result came from: coin by coin, decision by decision
exposure      correlation, overlap and concentration over several indexes
fees          what fees do to an investor and bring an operator
tracking      from the level of an index to what its token is worth
books         a run of a backtest as attribution, tracking and trades
limits        limits over everything that several indexes hold
taxes         lots, disposals, trade ledger
"""

// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title IPriceRecorder
/// @notice One oracle price per token and UTC day, kept for 128 days, and what follows from them: volatility and average.
/// @dev Nobody has a role here. Anyone may record, and the first record of a day stands.
///
/// Who chooses the moment chooses the price: a recorder of a whole day could take its high today and its low tomorrow and make
/// any coin look volatile. So prices are only taken in the first two hours of a UTC day, where that choice is worth
/// what a price moves in two hours; an honest recorder who calls at midnight leaves none. The price itself is the
/// oracle's, which no caller moves; it may be as old as the feed's heartbeat.
///
/// A day without a record is a gap. It is never a return of zero: the move across it counts once, over all the days it took.
/// Three quarters of the days must be there, or the answer is refused: nobody can erase a record, but nobody has to make one.
interface IPriceRecorder {
    event Record(address indexed token, uint256 indexed day, uint256 price, uint256 recordedAt);

    function oracle() external view returns (address);

    /// @notice D27{nUSD/tok} recorded on a UTC day (days since 1970), zero if none was, or if it has been overwritten.
    function priceOn(address token, uint256 day) external view returns (uint256);

    /// @notice Volatility D18{1/√year} of the `span` days up to and including `lastDay`, rounded down.
    /// @dev ⌊√(⌊Σ r_k²·365 / T⌋)⌋, with r_k = ln(p_k/p_{k−1}) in D18 of successive records from `lastDay − span` to `lastDay`, and T
    /// the days between the first and the last of them. The mean is taken as zero, as is usual for daily returns: over a
    /// quarter it is far below its own error. Depends on the record only, so it can be asked again until the ring goes round.
    /// Reverts with ValueOutOfBounds (span outside 2 … 127) or RecordsMissing.
    /// @param span {day}
    function volatilityOf(address token, uint256 lastDay, uint256 span) external view returns (uint256);

    /// @notice Mean of the D27{nUSD/tok} prices recorded on the `span` days up to and including `lastDay`, rounded down.
    /// @dev Reverts with ValueOutOfBounds (span outside 1 … 127) or RecordsMissing.
    function averageOf(address token, uint256 lastDay, uint256 span) external view returns (uint256);

    /// @notice Records today's price of a token.
    /// @dev Reverts with RecordWindowClosed, AlreadyRecorded, or the oracle's reason.
    function record(address token) external;

    /// @notice The same for many tokens; those that have no price or are recorded already are passed over.
    /// @return recorded how many were not
    function recordMany(address[] calldata tokens) external returns (uint256 recorded);
}

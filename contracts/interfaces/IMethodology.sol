// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title IMethodology
/// @notice A rule that turns inputs into weights, in integers, the same on chain and in `offchain/reference/weight_math.py`.
/// @dev Promise G5. Stateless: the answer depends on the arguments and on what the constructor fixed, on nothing a caller could
/// have written before. Caps and floors are not among the inputs, because whoever proposes chooses the inputs: they come from
/// the rules that the governor set in the registry, and are applied by water-filling:
///
/// w_i = min(maxWeight, max(minWeight, θ·raw_i)) with the one θ for which Σ w_i = 1e18. Names between cap and floor are rounded
/// down; the wei that are left go to the largest raw value that has room, the first one on ties.
///
/// | rule | inputs | raw_i |
/// |---|---|---|
/// | EqualWeight | empty | 1 |
/// | CappedMarketCap | abi.encode(uint256[] caps), {nUSD} | cap_i |
/// | SqrtMarketCap | abi.encode(uint256[] caps), {nUSD} | ⌊√(cap_i·1e18)⌋ |
/// | InverseVolatility | abi.encode(uint256[] volatilities), D18 of one common period | ⌊1e36/volatility_i⌋ |
/// | RecordedVolatility | abi.encode(uint256 lastDay) | the same, of the volatilities that a PriceRecorder knows |
/// | DampedStep | those of its inner rule | previous_i·(1e18 − step) + inner_i·step |
/// | Managed | abi.encode(uint256[] weights), D18 | none: these are the weights, neither capped nor changed |
///
/// Errors: LengthMismatch, RawWeightInvalid (a raw value of zero or above 2^128 − 1: the order of magnitude of an input is
/// wrong), WeightsInfeasible (no weights can respect cap and floor), and those of the recorder.
interface IMethodology {
    /// @param tokens strictly ascending
    /// @param previous D18 weights of these tokens in the last executed epoch, zero for one that is new
    /// @param minWeight D18{1} of every token
    /// @param maxWeight D18{1} of every token
    struct Request {
        address[] tokens;
        uint256[] previous;
        uint256 minWeight;
        uint256 maxWeight;
    }

    /// @notice Name of the rule, as in the table above: whoever recomputes off chain chooses the twin by it.
    function rule() external view returns (string memory);

    /// @notice D18 weights in the order of the tokens.
    function compute(Request calldata request, bytes calldata inputs) external view returns (uint256[] memory weights);
}

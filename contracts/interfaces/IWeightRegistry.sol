// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IWeightSource} from "./IWeightSource.sol";

/// @title IWeightRegistry
/// @notice Weights that anyone can verify: proposed with the hashes of their inputs, delayed, open to veto, then executed.
/// @dev Promise G5. One registry serves every index; who may do what on an index is decided by the authority of that index.
///
/// What a strategist with stolen keys can do: propose weights inside the rules, once per delay and interval, and no further from
/// the last executed weights than `maxChange`. The guardian vetoes them, or the methodology refuses them. What a guardian can
/// do: veto every proposal, until the governor appoints another one. What anyone can do: execute what has waited long enough.
///
/// A proposal is kept as one hash of everything it says, with chain, registry, index and epoch number in it, so that it can
/// stand for nothing else; the executor passes the same words again. State can be replayed from events: an `Execute` is
/// the weights of its index until the next one, a `Propose` is pending until a `Veto` or `Execute` of its number or its lapse.
interface IWeightRegistry is IWeightSource {
    /// @param minWeight D18{1}, the least that a token in an epoch weighs; a token that leaves is not in it
    /// @param maxWeight D18{1}, the most
    /// @param maxChange D18{1}, most of Σ |weight − last executed weight| over all tokens that enter, stay or leave: 2e18 is all
    /// @param minInterval {s} between two executions
    /// @param delay {s} between proposal and execution, the time for a veto
    /// @param ttl {s} in which a proposal can be executed before it lapses
    /// @param methodology recomputes every proposal from its inputs; zero: the strategist decides, inside these bounds
    struct Rules {
        uint64 minWeight;
        uint64 maxWeight;
        uint64 maxChange;
        uint32 minInterval;
        uint32 delay;
        uint32 ttl;
        address methodology;
    }

    /// @param index whose weights these are
    /// @param number rises by one with every execution; the first is 1
    /// @param specHash keccak256 of the canonical index file
    /// @param inputsHash keccak256 of the canonical publication: market snapshot, what was held and what could be traded
    /// @param tokens strictly ascending
    /// @param weights D18, in the order of the tokens; they sum to exactly 1e18
    struct Epoch {
        address index;
        uint256 number;
        bytes32 specHash;
        bytes32 inputsHash;
        address[] tokens;
        uint256[] weights;
    }

    /// @param number of the last executed epoch, zero if there was none
    /// @param executedAt {s} when that was
    /// @param readyAt {s} from when on the pending proposal can be executed
    /// @param lapsesAt {s} from when on it cannot any more
    /// @param proposalHash of the pending proposal, zero if there is none
    struct Book {
        uint40 number;
        uint40 executedAt;
        uint40 readyAt;
        uint40 lapsesAt;
        bytes32 proposalHash;
    }

    event SetRules(address indexed index, Rules rules);
    event Propose(
        address indexed index,
        uint256 indexed number,
        address indexed proposer,
        Epoch epoch,
        address methodology,
        bytes inputs,
        uint256 readyAt,
        uint256 lapsesAt
    );
    event Veto(address indexed index, uint256 indexed number, address indexed by, bytes32 proposalHash);
    event Execute(address indexed index, uint256 indexed number, Epoch epoch);

    /* VIEWS */

    function rulesOf(address index) external view returns (Rules memory);

    function bookOf(address index) external view returns (Book memory);

    /// @notice keccak256 of chain id, this registry and the epoch: what a pending proposal is kept as.
    function hashOf(Epoch calldata epoch) external view returns (bytes32);

    /* ANYONE */

    /// @notice Makes the pending proposal the weights of its index.
    /// @dev Every token must still be allow-listed. Reverts with NothingProposed, HashMismatch, EpochTooEarly, ProposalLapsed or
    /// TokenNotAllowed.
    function execute(Epoch calldata epoch) external;

    /* STRATEGIST */

    /// @notice Proposes the next epoch of an index.
    /// @dev It is ready after the delay and, counted from the last execution, the interval. While one is pending no other can be
    /// proposed. A token must be on the allow-list that the rebalancer of the index keeps: no second list that could disagree
    /// with the one that decides whether a plan can start. With a methodology the weights must be what it computes from
    /// `inputs`, which the event keeps.
    /// Reverts with NotRegistered, NotAuthorized, EpochMismatch, ProposalPending, ZeroHash, LengthMismatch, TooManyComponents,
    /// TokensNotAscending, TokenNotAllowed, WeightTooLow, WeightTooHigh, WeightsSumInvalid, ChangeTooLarge, WeightsMismatch or
    /// the reason of the methodology.
    /// @param inputs for the methodology; must be empty when there is none
    function propose(Epoch calldata epoch, bytes calldata inputs) external;

    /* GUARDIAN */

    /// @notice Drops the pending proposal. Its number can be proposed again.
    function veto(address index, uint256 number) external;

    /* GOVERNOR */

    /// @notice Begins with the rules and the weights that the index has: epoch 1, executed at once.
    /// @dev From here on every change is measured, so the first weights are bound by everything but `maxChange` and methodology.
    function register(Epoch calldata first, Rules calldata rules) external;

    /// @notice Sets other rules. What is pending was judged by the old ones, so it is dropped as by a veto.
    function setRules(address index, Rules calldata rules) external;
}

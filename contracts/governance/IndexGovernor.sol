// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Governor} from "@openzeppelin/contracts/governance/Governor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {GovernorCountingSimple} from
    "@openzeppelin/contracts/governance/extensions/GovernorCountingSimple.sol";
import {GovernorPreventLateQuorum} from
    "@openzeppelin/contracts/governance/extensions/GovernorPreventLateQuorum.sol";
import {GovernorProposalGuardian} from
    "@openzeppelin/contracts/governance/extensions/GovernorProposalGuardian.sol";
import {GovernorSettings} from "@openzeppelin/contracts/governance/extensions/GovernorSettings.sol";
import {GovernorTimelockControl} from
    "@openzeppelin/contracts/governance/extensions/GovernorTimelockControl.sol";
import {GovernorVotes} from "@openzeppelin/contracts/governance/extensions/GovernorVotes.sol";
import {GovernorVotesQuorumFraction} from
    "@openzeppelin/contracts/governance/extensions/GovernorVotesQuorumFraction.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {FixedPointMathLib} from "solady/src/utils/FixedPointMathLib.sol";

import {Constants} from "../libraries/Constants.sol";
import {Errors} from "../libraries/Errors.sol";
import {IndexTimelock} from "./IndexTimelock.sol";
import {IndexVotes} from "./IndexVotes.sol";

/// @title IndexGovernor
/// @notice Lets the holders of an index decide what its governor does: members, weights, fees, policy, wiring.
/// @dev It proposes to the IndexTimelock, which holds the governor's role in the index's AccessManager. The hard limits of
/// the contracts bind a vote as they bind any governor: it can neither touch the basket nor stop a redemption.
///
/// QUORUM is a share of all index shares, not only of the wrapped ones: while few have wrapped, few cannot decide. The
/// supply that counts is the least seen when the proposal was made and at each vote. Others cannot push it down, and
/// who pushes it up for a moment (a mint beside somebody's proposal) changes nothing once the first vote is cast.
///
/// VETO: the guardian may cancel any proposal until it is executed, except one that does nothing but replace him.
///
/// Warning: shares can be minted at their value, so votes can be bought for the moment of the snapshot by whoever holds
/// that much of the components across two blocks (not by a flash loan). The veto, and the timelock in which everyone
/// can redeem, are the answer to it.
contract IndexGovernor is
    GovernorSettings,
    GovernorCountingSimple,
    GovernorVotesQuorumFraction,
    GovernorTimelockControl,
    GovernorPreventLateQuorum,
    GovernorProposalGuardian
{
    using FixedPointMathLib for uint256;

    /// @param votingDelay {s} from the proposal to the count of the votes
    /// @param votingPeriod {s}
    /// @param voteExtension {s} that is left to vote, at least, once the quorum is reached
    /// @param proposalThreshold D18{1} of the wrapped shares that a proposer needs
    /// @param quorumPercent {%} of all shares that must vote for or abstain
    /// @param guardian may cancel proposals
    struct Settings {
        uint48 votingDelay;
        uint32 votingPeriod;
        uint48 voteExtension;
        uint256 proposalThreshold;
        uint256 quorumPercent;
        address guardian;
    }

    /// @notice Emitted when a proposal is made or voted on, and the supply of the index is the least seen.
    event NoteSupply(uint256 indexed proposalId, uint256 supply);

    IERC20 public immutable index;

    mapping(uint256 proposalId => uint256 supply) public leastSupply; // {share} of the index

    constructor(string memory name, IndexVotes votes, IndexTimelock timelock, Settings memory settings)
        Governor(name)
        GovernorSettings(settings.votingDelay, settings.votingPeriod, settings.proposalThreshold)
        GovernorVotes(votes)
        GovernorVotesQuorumFraction(settings.quorumPercent)
        GovernorTimelockControl(timelock)
        GovernorPreventLateQuorum(settings.voteExtension)
    {
        index = votes.underlying();
        _setProposalGuardian(settings.guardian);
    }

    /* VIEWS */

    /// @notice {share} of wrapped shares that must vote for a proposal or abstain, as of now.
    function quorumOf(uint256 proposalId) public view returns (uint256) {
        uint256 snapshot = proposalSnapshot(proposalId);
        // {share} = {share} * {%} / {%}
        uint256 ofAll = leastSupply[proposalId].fullMulDivUp(quorumNumerator(snapshot), quorumDenominator());
        return snapshot < clock() ? ofAll.max(quorum(snapshot)) : ofAll; // what is wrapped is counted at the snapshot
    }

    /// @notice {share} of votes that a proposer needs: a fraction of what was wrapped a second ago.
    function proposalThreshold() public view override(Governor, GovernorSettings) returns (uint256) {
        uint256 wrapped = token().getPastTotalSupply(clock() - 1);
        // At least one: with nothing wrapped nobody can propose.
        return wrapped.fullMulDivUp(super.proposalThreshold(), Constants.WAD).max(1);
    }

    /// @notice D18{1} of the wrapped shares that a proposer needs.
    function proposalThresholdFraction() external view returns (uint256) {
        return super.proposalThreshold();
    }

    function state(uint256 proposalId)
        public
        view
        override(Governor, GovernorTimelockControl)
        returns (ProposalState)
    {
        return super.state(proposalId);
    }

    function proposalDeadline(uint256 proposalId)
        public
        view
        override(Governor, GovernorPreventLateQuorum)
        returns (uint256)
    {
        return super.proposalDeadline(proposalId);
    }

    function proposalNeedsQueuing(uint256 proposalId)
        public
        view
        override(Governor, GovernorTimelockControl)
        returns (bool)
    {
        return super.proposalNeedsQueuing(proposalId);
    }

    /* GUARDIAN */

    /// @notice Cancels a proposal: its proposer before the vote starts, the guardian until it is executed.
    /// @dev The guardian cannot keep himself: a proposal of the one call that replaces him is none of his business.
    function cancel(
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) public override returns (uint256) {
        if (msg.sender == proposalGuardian() && _replacesGuardian(targets, calldatas)) {
            revert Errors.VetoOwnRemoval(msg.sender);
        }
        return super.cancel(targets, values, calldatas, descriptionHash);
    }

    /* INTERNALS */

    function _replacesGuardian(address[] memory targets, bytes[] memory calldatas) private view returns (bool) {
        return targets.length == 1 && targets[0] == address(this) && calldatas.length == 1
            && bytes4(calldatas[0]) == this.setProposalGuardian.selector;
    }

    function _propose(
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        string memory description,
        address proposer
    ) internal override returns (uint256 proposalId) {
        proposalId = super._propose(targets, values, calldatas, description, proposer);
        leastSupply[proposalId] = type(uint256).max;
        _noteSupply(proposalId);
    }

    function _tallyUpdated(uint256 proposalId) internal override(Governor, GovernorPreventLateQuorum) {
        _noteSupply(proposalId);
        super._tallyUpdated(proposalId);
    }

    function _noteSupply(uint256 proposalId) private {
        uint256 supply = index.totalSupply();
        if (supply >= leastSupply[proposalId]) return;
        leastSupply[proposalId] = supply;
        emit NoteSupply(proposalId, supply);
    }

    function _quorumReached(uint256 proposalId)
        internal
        view
        override(Governor, GovernorCountingSimple)
        returns (bool)
    {
        (, uint256 forVotes, uint256 abstainVotes) = proposalVotes(proposalId);
        return quorumOf(proposalId) <= forVotes + abstainVotes;
    }

    function _validateCancel(uint256 proposalId, address caller)
        internal
        view
        override(Governor, GovernorProposalGuardian)
        returns (bool)
    {
        return super._validateCancel(proposalId, caller);
    }

    function _setVotingDelay(uint48 delay) internal override {
        _checkBound("votingDelay", delay, Constants.MIN_VOTING_DELAY, Constants.MAX_VOTING_DELAY);
        super._setVotingDelay(delay);
    }

    function _setVotingPeriod(uint32 period) internal override {
        _checkBound("votingPeriod", period, Constants.MIN_VOTING_PERIOD, Constants.MAX_VOTING_PERIOD);
        super._setVotingPeriod(period);
    }

    function _setProposalThreshold(uint256 fraction) internal override {
        _checkBound("proposalThreshold", fraction, 0, Constants.MAX_PROPOSAL_THRESHOLD);
        super._setProposalThreshold(fraction);
    }

    function _updateQuorumNumerator(uint256 percent) internal override {
        _checkBound("quorumPercent", percent, Constants.MIN_QUORUM_PERCENT, Constants.MAX_QUORUM_PERCENT);
        super._updateQuorumNumerator(percent);
    }

    function _queueOperations(
        uint256 proposalId,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) returns (uint48) {
        return super._queueOperations(proposalId, targets, values, calldatas, descriptionHash);
    }

    function _executeOperations(
        uint256 proposalId,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) {
        super._executeOperations(proposalId, targets, values, calldatas, descriptionHash);
    }

    function _cancel(
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 descriptionHash
    ) internal override(Governor, GovernorTimelockControl) returns (uint256) {
        return super._cancel(targets, values, calldatas, descriptionHash);
    }

    function _executor() internal view override(Governor, GovernorTimelockControl) returns (address) {
        return super._executor();
    }

    function _checkBound(bytes32 what, uint256 value, uint256 min, uint256 max) private pure {
        require(value >= min && value <= max, Errors.ValueOutOfBounds(what, value, min, max));
    }
}

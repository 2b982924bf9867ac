// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

/// @title MockAggregator
/// @notice The data source behind a genuine Chainlink proxy on a local market; its owner says what it answers and when.
/// @dev Speaks AggregatorV2V3Interface and the `minAnswer`/`maxAnswer` clamp of Chainlink's own aggregators. It checks
/// nothing: zero, negative, future and stale answers can be reported, because readers must survive them.
contract MockAggregator is Ownable {
    struct Round {
        int192 answer; // 10^decimals {USD/TOK}
        uint64 updatedAt; // {s}
    }

    uint8 public immutable decimals;
    string public description;
    uint256 public constant version = 4;

    /// @notice The clamp a reader must know: the real network never answers outside of it.
    int192 public minAnswer = 1;
    int192 public maxAnswer = type(int192).max;

    uint80 private _latestRoundId;
    mapping(uint256 roundId => Round) private _rounds;

    event AnswerUpdated(int256 indexed current, uint256 indexed roundId, uint256 updatedAt);
    event NewRound(uint256 indexed roundId, address indexed startedBy, uint256 startedAt);

    constructor(uint8 decimals_, string memory description_, address owner_) Ownable(owner_) {
        decimals = decimals_;
        description = description_;
    }

    /// @notice Opens the next round with an answer. Owner only.
    /// @param answer 10^decimals {USD/TOK}
    /// @param updatedAt {s} When the round says it was updated; any time, also a past or future one.
    function report(int192 answer, uint64 updatedAt) external onlyOwner {
        uint80 roundId = ++_latestRoundId;
        _rounds[roundId] = Round(answer, updatedAt);
        emit NewRound(roundId, msg.sender, updatedAt);
        emit AnswerUpdated(answer, roundId, updatedAt);
    }

    /// @notice Moves the clamp. Owner only.
    function setLimits(int192 minAnswer_, int192 maxAnswer_) external onlyOwner {
        minAnswer = minAnswer_;
        maxAnswer = maxAnswer_;
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return getRoundData(_latestRoundId);
    }

    function getRoundData(uint80 roundId) public view returns (uint80, int256, uint256, uint256, uint80) {
        Round memory round = _rounds[roundId];
        require(roundId != 0 && roundId <= _latestRoundId, "No data present");
        return (roundId, round.answer, round.updatedAt, round.updatedAt, roundId);
    }

    function latestAnswer() external view returns (int256) {
        return _rounds[_latestRoundId].answer;
    }

    function latestTimestamp() external view returns (uint256) {
        return _rounds[_latestRoundId].updatedAt;
    }

    function latestRound() external view returns (uint256) {
        return _latestRoundId;
    }

    function getAnswer(uint256 roundId) external view returns (int256) {
        return _rounds[roundId].answer;
    }

    function getTimestamp(uint256 roundId) external view returns (uint256) {
        return _rounds[roundId].updatedAt;
    }
}

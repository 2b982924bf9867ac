// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IIndexToken} from "./interfaces/IIndexToken.sol";
import {IMethodology} from "./interfaces/IMethodology.sol";
import {IRebalancer} from "./interfaces/IRebalancer.sol";
import {IWeightRegistry} from "./interfaces/IWeightRegistry.sol";
import {IWeightSource} from "./interfaces/IWeightSource.sol";
import {Constants} from "./libraries/Constants.sol";
import {Errors} from "./libraries/Errors.sol";
import {RoleLib} from "./libraries/RoleLib.sol";

/// @title WeightRegistry
/// @notice One for all indexes: propose, wait, veto or execute. Holds no tokens and calls nothing that could.
/// @dev A weight is a word per token with the epoch it belongs to: a word of an older epoch weighs nothing, so what leaves
/// an index costs nothing to clear.
contract WeightRegistry is IWeightRegistry {
    /// @dev D18 weight of a token in an epoch.
    struct Weight {
        uint40 number;
        uint64 weight;
    }

    mapping(address index => Rules) private _rules;
    mapping(address index => Book) private _books;
    mapping(address index => mapping(address token => Weight)) private _weights;

    /* GOVERNOR */

    /// @inheritdoc IWeightRegistry
    function register(Epoch calldata first, Rules calldata rules) external {
        address index = first.index;
        require(_books[index].number == 0, Errors.AlreadyRegistered(index));
        RoleLib.requireRole(index);
        require(first.number == 1, Errors.EpochMismatch(first.number, 1));

        _setRules(index, rules);
        _checkWeights(first, rules);
        _execute(first);
    }

    /// @inheritdoc IWeightRegistry
    function setRules(address index, Rules calldata rules) external {
        Book memory book = _registeredBook(index);
        RoleLib.requirePower(index);
        if (book.proposalHash != 0) _drop(index, book);
        _setRules(index, rules);
    }

    /* STRATEGIST */

    /// @inheritdoc IWeightRegistry
    function propose(Epoch calldata epoch, bytes calldata inputs) external {
        address index = epoch.index;
        Book memory book = _registeredBook(index);
        RoleLib.requireRole(index);
        uint256 next = uint256(book.number) + 1;
        require(epoch.number == next, Errors.EpochMismatch(epoch.number, next));
        require(
            book.proposalHash == 0 || block.timestamp >= book.lapsesAt,
            Errors.ProposalPending(index, epoch.number, book.lapsesAt)
        );
        Rules memory rules = _rules[index];
        _checkWeights(epoch, rules);
        uint256[] memory previous = _checkChange(epoch, rules.maxChange, book.number);
        _checkMethodology(epoch, rules, previous, inputs);

        uint256 readyAt = block.timestamp + rules.delay;
        uint256 earliest = uint256(book.executedAt) + rules.minInterval;
        if (readyAt < earliest) readyAt = earliest;
        uint256 lapsesAt = readyAt + rules.ttl;
        (book.readyAt, book.lapsesAt) = (uint40(readyAt), uint40(lapsesAt));
        book.proposalHash = hashOf(epoch);
        _books[index] = book;

        _announce(epoch, rules.methodology, inputs, book);
    }

    /* GUARDIAN */

    /// @inheritdoc IWeightRegistry
    function veto(address index, uint256 number) external {
        Book memory book = _registeredBook(index);
        RoleLib.requireRole(index);
        require(book.proposalHash != 0, Errors.NothingProposed(index));
        require(number == uint256(book.number) + 1, Errors.EpochMismatch(number, uint256(book.number) + 1));
        _drop(index, book);
    }

    /* ANYONE */

    /// @inheritdoc IWeightRegistry
    function execute(Epoch calldata epoch) external {
        Book memory book = _registeredBook(epoch.index);
        require(book.proposalHash != 0, Errors.NothingProposed(epoch.index));
        bytes32 hash = hashOf(epoch);
        require(hash == book.proposalHash, Errors.HashMismatch(hash, book.proposalHash));
        require(block.timestamp >= book.readyAt, Errors.EpochTooEarly(book.readyAt));
        require(block.timestamp < book.lapsesAt, Errors.ProposalLapsed(book.lapsesAt));
        _checkAllowed(epoch);
        _execute(epoch);
    }

    /* VIEWS */

    /// @inheritdoc IWeightRegistry
    function rulesOf(address index) external view returns (Rules memory) {
        return _rules[index];
    }

    /// @inheritdoc IWeightRegistry
    function bookOf(address index) external view returns (Book memory) {
        return _books[index];
    }

    /// @inheritdoc IWeightRegistry
    function hashOf(Epoch calldata epoch) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), epoch));
    }

    /// @inheritdoc IWeightSource
    function weightsOf(address index, address[] calldata tokens) external view returns (uint256[] memory weights) {
        uint256 number = _registeredBook(index).number;
        weights = new uint256[](tokens.length);
        for (uint256 i; i < tokens.length; ++i) {
            weights[i] = _weightOf(index, tokens[i], number);
        }
    }

    /* INTERNALS */

    function _execute(Epoch calldata epoch) private {
        address index = epoch.index;
        uint40 number = uint40(epoch.number);
        for (uint256 i; i < epoch.tokens.length; ++i) {
            _weights[index][epoch.tokens[i]] = Weight({number: number, weight: uint64(epoch.weights[i])});
        }
        _books[index] =
            Book({number: number, executedAt: uint40(block.timestamp), readyAt: 0, lapsesAt: 0, proposalHash: 0});
        emit Execute(index, number, epoch);
    }

    function _announce(Epoch calldata epoch, address methodology, bytes calldata inputs, Book memory book) private {
        emit Propose(
            epoch.index, epoch.number, msg.sender, epoch, methodology, inputs, book.readyAt, book.lapsesAt
        );
    }

    function _drop(address index, Book memory book) private {
        bytes32 hash = book.proposalHash;
        (book.readyAt, book.lapsesAt, book.proposalHash) = (0, 0, 0);
        _books[index] = book;
        emit Veto(index, uint256(book.number) + 1, msg.sender, hash);
    }

    /// @dev Everything that holds for the weights by themselves.
    function _checkWeights(Epoch calldata epoch, Rules memory rules) private view {
        require(epoch.specHash != 0 && epoch.inputsHash != 0, Errors.ZeroHash());
        uint256 n = epoch.tokens.length;
        require(epoch.weights.length == n, Errors.LengthMismatch(epoch.weights.length, n));
        require(n <= Constants.MAX_COMPONENTS, Errors.TooManyComponents(n, Constants.MAX_COMPONENTS));
        address last;
        uint256 sum;
        for (uint256 i; i < n; ++i) {
            (address token, uint256 weight) = (epoch.tokens[i], epoch.weights[i]);
            if (token <= last) revert Errors.TokensNotAscending(token);
            if (weight < rules.minWeight) revert Errors.WeightTooLow(token, weight, rules.minWeight);
            if (weight > rules.maxWeight) revert Errors.WeightTooHigh(token, weight, rules.maxWeight);
            last = token;
            sum += weight;
        }
        require(sum == Constants.WAD, Errors.WeightsSumInvalid(sum));
        _checkAllowed(epoch);
    }

    function _checkAllowed(Epoch calldata epoch) private view {
        IRebalancer rebalancer = IRebalancer(IIndexToken(epoch.index).rebalancer());
        for (uint256 i; i < epoch.tokens.length; ++i) {
            address token = epoch.tokens[i];
            if (!rebalancer.isAllowed(epoch.index, token)) revert Errors.TokenNotAllowed(token);
        }
    }

    /// @dev The last executed weights sum to 1e18, so what is missing from that sum is the weight of the tokens that leave.
    function _checkChange(Epoch calldata epoch, uint256 maxChange, uint256 number)
        private
        view
        returns (uint256[] memory previous)
    {
        previous = new uint256[](epoch.tokens.length);
        uint256 change;
        uint256 staying;
        for (uint256 i; i < previous.length; ++i) {
            (uint256 before, uint256 weight) = (_weightOf(epoch.index, epoch.tokens[i], number), epoch.weights[i]);
            previous[i] = before;
            staying += before;
            change += weight > before ? weight - before : before - weight;
        }
        change += Constants.WAD - staying;
        require(change <= maxChange, Errors.ChangeTooLarge(change, maxChange));
    }

    function _checkMethodology(
        Epoch calldata epoch,
        Rules memory rules,
        uint256[] memory previous,
        bytes calldata inputs
    ) private view {
        if (rules.methodology == address(0)) {
            require(inputs.length == 0, Errors.LengthMismatch(inputs.length, 0));
            return;
        }
        uint256[] memory computed = IMethodology(rules.methodology).compute(
            IMethodology.Request(epoch.tokens, previous, rules.minWeight, rules.maxWeight), inputs
        );
        uint256 n = epoch.tokens.length;
        require(computed.length == n, Errors.LengthMismatch(computed.length, n));
        for (uint256 i; i < n; ++i) {
            if (computed[i] != epoch.weights[i]) {
                revert Errors.WeightsMismatch(epoch.tokens[i], epoch.weights[i], computed[i]);
            }
        }
    }

    function _weightOf(address index, address token, uint256 number) private view returns (uint256) {
        Weight memory word = _weights[index][token];
        return word.number == number ? word.weight : 0;
    }

    function _registeredBook(address index) private view returns (Book memory book) {
        book = _books[index];
        require(book.number != 0, Errors.NotRegistered(index));
    }

    function _setRules(address index, Rules calldata rules) private {
        _checkBound("maxWeight", rules.maxWeight, 1, Constants.WAD);
        _checkBound("minWeight", rules.minWeight, 1, rules.maxWeight);
        _checkBound("maxChange", rules.maxChange, 1, Constants.MAX_WEIGHT_CHANGE);
        _checkBound("minInterval", rules.minInterval, Constants.MIN_WEIGHT_DELAY, Constants.MAX_WEIGHT_INTERVAL);
        _checkBound("delay", rules.delay, Constants.MIN_WEIGHT_DELAY, Constants.MAX_WEIGHT_DELAY);
        _checkBound("ttl", rules.ttl, Constants.MIN_WEIGHT_DELAY, Constants.MAX_WEIGHT_DELAY);
        require(
            rules.methodology == address(0) || rules.methodology.code.length != 0,
            Errors.MethodologyInvalid(rules.methodology)
        );
        _rules[index] = rules;
        emit SetRules(index, rules);
    }

    function _checkBound(bytes32 what, uint256 value, uint256 min, uint256 max) private pure {
        require(value >= min && value <= max, Errors.ValueOutOfBounds(what, value, min, max));
    }
}

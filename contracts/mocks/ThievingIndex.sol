// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IRebalancer} from "../interfaces/IRebalancer.sol";
import {ITaker, Leg} from "../interfaces/ITaker.sol";

/// @title ThievingIndex
/// @notice Pretends to be an index, so as to take more from those who fill its auctions than they owe, or from others.
contract ThievingIndex {
    enum Trick {
        None,
        AskMore,
        AskAnother,
        AskTwice,
        AskLater
    }

    address public immutable rebalancer;
    address private immutable _token;
    address private immutable _other;
    address private _victim;
    Trick private _trick;

    Leg[] private _ins;
    bytes private _data;

    constructor(address rebalancer_, address token, address other) {
        (rebalancer, _token, _other) = (rebalancer_, token, other);
    }

    /// @notice Registers itself, being its own factory, and starts a plan that buys `_other` for `_token`.
    function start() external {
        address[] memory tokens = components();
        IRebalancer.Policy memory policy = IRebalancer.Policy(0, 0, 0, 14 days, 1e18, 1e18);
        IRebalancer(rebalancer).register(address(this), policy, tokens);
        uint256[] memory weights = new uint256[](2);
        (weights[0], weights[1]) = (0.5e18, 0.5e18);
        IRebalancer(rebalancer).startPlan(address(this), 1, 1, new address[](0), weights, 1 days);
    }

    function arm(Trick trick, address victim) external {
        (_trick, _victim) = (trick, victim);
    }

    function exchange(Leg[] calldata, Leg[] calldata ins, address, address taker, bytes calldata data)
        external
        returns (uint256[] memory sold, uint256[] memory bought)
    {
        Leg[] memory asked = ins;
        if (_trick == Trick.AskMore) asked[0].amount += 1;
        if (_trick == Trick.AskAnother) {
            ITaker(taker).onExchange(asked, asked, abi.encode(_victim));
        } else if (_trick == Trick.AskLater) {
            delete _ins;
            _ins.push(ins[0]);
            _data = data;
        } else {
            ITaker(taker).onExchange(asked, asked, data);
        }
        if (_trick == Trick.AskTwice) ITaker(taker).onExchange(asked, asked, data);
        (sold, bought) = (new uint256[](1), new uint256[](1));
        bought[0] = ins[0].amount;
    }

    /// @notice Fills an auction and asks for the payment afterwards, in the same transaction.
    function askLater(address taker, bytes calldata fillCall) external {
        (bool ok,) = taker.call(fillCall);
        require(ok, "the fill failed");
        ITaker(taker).onExchange(_ins, _ins, _data);
    }

    /* WHAT THE REBALANCER ASKS */

    function factory() external view returns (address) {
        return address(this);
    }

    function authority() external view returns (address) {
        return address(this);
    }

    function guard() external view returns (address) {
        return address(this);
    }

    function components() public view returns (address[] memory tokens) {
        tokens = new address[](2);
        (tokens[0], tokens[1]) = (_token, _other);
    }

    function canCall(address, address, bytes4) external pure returns (bool) {
        return true;
    }

    function abdicated(bytes4) external pure returns (bool) {
        return false;
    }

    function locked() external pure returns (bool) {
        return false;
    }

    function version() external pure returns (uint256) {
        return 1;
    }

    function totalSupply() external pure returns (uint256) {
        return 1000e18;
    }

    function streamingRate() external pure returns (uint256) {
        return 0;
    }

    function feeModule() external pure returns (address) {
        return address(0);
    }

    function claimsOwed(address) external pure returns (uint256) {
        return 0;
    }

    function revalue(address) external pure returns (uint256) {
        return 1;
    }
}

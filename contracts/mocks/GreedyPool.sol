// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {UniswapV3Taker} from "../takers/UniswapV3Taker.sol";

/// @title GreedyPool
/// @notice Looks like a Uniswap V3 pool to a taker, and asks for payment of any token, as often as told.
/// @dev It delivers what it was told to, or nothing: less or more than it takes, as a pool that has run dry.
contract GreedyPool {
    address public immutable token0;
    address public immutable token1;
    address public wanted;
    uint256 public amount;
    uint256 public times;

    address private _receiver;
    address private _delivered;
    uint256 private _deliveredAmount;

    constructor(address token0_, address token1_) {
        token0 = token0_;
        token1 = token1_;
    }

    /// @notice What to ask for in the callback.
    function want(address token, uint256 amount_, uint256 times_) external {
        wanted = token;
        amount = amount_;
        times = times_;
    }

    /// @notice What to pay out in a swap, and to whom.
    function deliver(address receiver, address token, uint256 amount_) external {
        _receiver = receiver;
        _delivered = token;
        _deliveredAmount = amount_;
    }

    function swap(address, bool, int256, uint160, bytes calldata) external returns (int256, int256) {
        for (uint256 i; i < times; ++i) {
            UniswapV3Taker(msg.sender).uniswapV3SwapCallback(int256(amount), 0, abi.encode(wanted));
        }
        if (_deliveredAmount != 0) IERC20(_delivered).transfer(_receiver, _deliveredAmount);
        return (0, 0);
    }
}

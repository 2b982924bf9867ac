// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {ITaker, Leg} from "../interfaces/ITaker.sol";
import {Errors} from "../libraries/Errors.sol";

/// @notice What the taker needs of a Uniswap V3 pool.
interface IUniswapV3Pool {
    function swap(
        address recipient,
        bool zeroForOne,
        int256 amountSpecified,
        uint160 sqrtPriceLimitX96,
        bytes calldata data
    ) external returns (int256 amount0, int256 amount1);
}

/// @title UniswapV3Taker
/// @notice Swaps along one or more Uniswap V3 pools: the index pays this contract, which pays the pools when they ask.
/// @dev Holds tokens only while it is called. Only the pool in use may ask for payment, and only for what is there.
contract UniswapV3Taker is ITaker {
    using SafeERC20 for IERC20;

    /// @dev The price bounds of every V3 pool; a swap that reaches them has run out of liquidity.
    uint160 private constant MIN_SQRT_PRICE_LIMIT = 4295128740;
    uint160 private constant MAX_SQRT_PRICE_LIMIT = 1461446703485210103287273052203988822378723970341;

    address private transient _pool;
    uint256 private transient _paid; // {tok} to the pool in use

    /// @notice Route as `data`: `abi.encode(address[] route)` with pools and the tokens between them in turn, such as
    /// [pool, middle, pool]. The payee of the exchange must be this contract.
    /// @dev The tokens tell each swap's direction, so no pool is asked for them. A pool of other tokens is paid in the wrong
    /// one and reverts.
    function onExchange(Leg[] calldata outs, Leg[] calldata ins, bytes calldata data) external {
        require(outs.length == 1 && ins.length == 1, Errors.LegsInvalid(outs.length, ins.length));
        address[] memory route = abi.decode(data, (address[]));
        (address token, uint256 amount) = (outs[0].token, outs[0].amount);
        require(route.length % 2 == 1, Errors.RouteInvalid(token));
        for (uint256 i; i < route.length; i += 2) {
            bool isLast = i + 1 == route.length;
            address next = isLast ? ins[0].token : route[i + 1];
            amount = _swap(IUniswapV3Pool(route[i]), token, next, amount, isLast ? msg.sender : address(this));
            token = next;
        }
    }

    /// @notice Pays the pool in use what it asks for.
    function uniswapV3SwapCallback(int256 amount0Delta, int256 amount1Delta, bytes calldata data) external {
        require(msg.sender == _pool && msg.sender != address(0), Errors.NotPool(msg.sender));
        _pool = address(0);
        uint256 owed = uint256(amount0Delta > 0 ? amount0Delta : amount1Delta);
        _paid = owed;
        IERC20(abi.decode(data, (address))).safeTransfer(msg.sender, owed);
    }

    /// @dev Sells `amountIn` of `token` to the pool for `other`; returns the {tok} that came out.
    function _swap(IUniswapV3Pool pool, address token, address other, uint256 amountIn, address to)
        private
        returns (uint256 amountOut)
    {
        bool zeroForOne = token < other; // pools sort their tokens
        _pool = address(pool);
        _paid = 0;
        (int256 amount0, int256 amount1) = pool.swap(
            to,
            zeroForOne,
            int256(amountIn),
            zeroForOne ? MIN_SQRT_PRICE_LIMIT : MAX_SQRT_PRICE_LIMIT,
            abi.encode(token)
        );
        _pool = address(0);
        if (_paid != amountIn) revert Errors.PoolDry(address(pool), _paid, amountIn); // else the rest would stay here
        return uint256(-(zeroForOne ? amount1 : amount0));
    }
}

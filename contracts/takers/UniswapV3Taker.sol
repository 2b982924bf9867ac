// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {ITaker, Leg} from "../interfaces/ITaker.sol";
import {Errors} from "../libraries/Errors.sol";

/// @notice What the taker needs of a Uniswap V3 pool.
interface IUniswapV3Pool {
    function token0() external view returns (address);
    function token1() external view returns (address);
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

    /// @notice Route as `data`: `abi.encode(address[] pools)`. The payee of the exchange must be this contract.
    function onExchange(Leg[] calldata outs, Leg[] calldata ins, bytes calldata data) external {
        require(outs.length == 1 && ins.length == 1, Errors.LegsInvalid(outs.length, ins.length));
        address[] memory pools = abi.decode(data, (address[]));
        address token = outs[0].token;
        uint256 amount = outs[0].amount;
        for (uint256 i; i < pools.length; ++i) {
            address to = i + 1 < pools.length ? address(this) : msg.sender;
            (token, amount) = _swap(IUniswapV3Pool(pools[i]), token, amount, to);
        }
        require(token == ins[0].token, Errors.RouteInvalid(token));
    }

    /// @notice Pays the pool in use what it asks for.
    function uniswapV3SwapCallback(int256 amount0Delta, int256 amount1Delta, bytes calldata data) external {
        require(msg.sender == _pool && msg.sender != address(0), Errors.NotPool(msg.sender));
        _pool = address(0);
        uint256 owed = uint256(amount0Delta > 0 ? amount0Delta : amount1Delta);
        _paid = owed;
        IERC20(abi.decode(data, (address))).safeTransfer(msg.sender, owed);
    }

    /// @dev Sells `amountIn` of `token` to the pool; returns the other token and the amount that came out.
    function _swap(IUniswapV3Pool pool, address token, uint256 amountIn, address to)
        private
        returns (address other, uint256 amountOut)
    {
        (address token0, address token1) = (pool.token0(), pool.token1());
        bool zeroForOne = token == token0;
        require(zeroForOne || token == token1, Errors.RouteInvalid(token));

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
        return zeroForOne ? (token1, uint256(-amount1)) : (token0, uint256(-amount0));
    }
}

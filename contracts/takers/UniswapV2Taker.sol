// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {ITaker, Leg} from "../interfaces/ITaker.sol";
import {Errors} from "../libraries/Errors.sol";

/// @notice What the taker needs of a Uniswap V2 pair.
interface IUniswapV2Pair {
    function token0() external view returns (address);
    function token1() external view returns (address);
    function getReserves() external view returns (uint112 reserve0, uint112 reserve1, uint32 blockTimestampLast);
    function swap(uint256 amount0Out, uint256 amount1Out, address to, bytes calldata data) external;
}

/// @title UniswapV2Taker
/// @notice Swaps along one or more Uniswap V2 pairs without holding anything: the index pays the first pair, each pair
/// pays the next, the last pays the index.
/// @dev Holds no tokens and no allowances and keeps no state, so anyone may call it. The index checks what arrives; a
/// route that leads elsewhere only makes the exchange revert. Assumes pairs with the constant product and a fee of 0.3 %.
contract UniswapV2Taker is ITaker {
    /// @notice Route as `data`: `abi.encode(address[] pairs)`. The payee of the exchange must be the first pair.
    function onExchange(Leg[] calldata outs, Leg[] calldata ins, bytes calldata data) external {
        require(outs.length == 1 && ins.length == 1, Errors.LegsInvalid(outs.length, ins.length));
        address[] memory pairs = abi.decode(data, (address[]));
        address token = outs[0].token;
        for (uint256 i; i < pairs.length; ++i) {
            address to = i + 1 < pairs.length ? pairs[i + 1] : msg.sender;
            token = _swap(IUniswapV2Pair(pairs[i]), token, to);
        }
        require(token == ins[0].token, Errors.RouteInvalid(token));
    }

    /// @dev Trades all of `token` that the pair holds above its reserve; returns the other token.
    function _swap(IUniswapV2Pair pair, address token, address to) private returns (address other) {
        (address token0, address token1) = (pair.token0(), pair.token1());
        bool zeroForOne = token == token0;
        require(zeroForOne || token == token1, Errors.RouteInvalid(token));
        (uint256 reserve0, uint256 reserve1,) = pair.getReserves();
        (uint256 reserveIn, uint256 reserveOut) = zeroForOne ? (reserve0, reserve1) : (reserve1, reserve0);

        // Constant product after a fee of 0.3 %: out = reserveOut * in * 997 / (reserveIn * 1000 + in * 997), down.
        uint256 amountInLessFee = (IERC20(token).balanceOf(address(pair)) - reserveIn) * 997;
        uint256 amountOut = reserveOut * amountInLessFee / (reserveIn * 1000 + amountInLessFee);

        pair.swap(zeroForOne ? 0 : amountOut, zeroForOne ? amountOut : 0, to, "");
        return zeroForOne ? token1 : token0;
    }
}

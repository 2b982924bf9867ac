// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {ITaker, Leg} from "../interfaces/ITaker.sol";
import {Errors} from "../libraries/Errors.sol";

/// @notice What the taker needs of a Uniswap V2 pair.
interface IUniswapV2Pair {
    function getReserves() external view returns (uint112 reserve0, uint112 reserve1, uint32 blockTimestampLast);
    function swap(uint256 amount0Out, uint256 amount1Out, address to, bytes calldata data) external;
}

/// @title UniswapV2Taker
/// @notice Swaps along one or more Uniswap V2 pairs without holding anything: the index pays the first pair, each pair
/// pays the next, the last pays the index.
/// @dev Holds no tokens and no allowances and keeps no state, so anyone may call it. The index checks what arrives; a
/// route that leads elsewhere only makes the exchange revert. Assumes pairs with the constant product and a fee of 0.3 %.
contract UniswapV2Taker is ITaker {
    /// @notice Route as `data`: `abi.encode(address[] route)` with pairs and the tokens between them in turn, such as
    /// [pair, middle, pair]. The payee of the exchange must be the first pair.
    /// @dev The tokens tell each swap's direction, so no pair is asked for them. A pair of other tokens keeps what it was
    /// paid or pays too little, and the exchange reverts.
    function onExchange(Leg[] calldata outs, Leg[] calldata ins, bytes calldata data) external {
        require(outs.length == 1 && ins.length == 1, Errors.LegsInvalid(outs.length, ins.length));
        address[] memory route = abi.decode(data, (address[]));
        address token = outs[0].token;
        require(route.length % 2 == 1, Errors.RouteInvalid(token));
        for (uint256 i; i < route.length; i += 2) {
            bool isLast = i + 1 == route.length;
            address next = isLast ? ins[0].token : route[i + 1];
            _swap(IUniswapV2Pair(route[i]), token, next, isLast ? msg.sender : route[i + 2]);
            token = next;
        }
    }

    /// @dev Trades all of `token` that the pair holds above its reserve for `other`.
    function _swap(IUniswapV2Pair pair, address token, address other, address to) private {
        bool zeroForOne = token < other; // pairs sort their tokens
        (uint256 reserve0, uint256 reserve1,) = pair.getReserves();
        (uint256 reserveIn, uint256 reserveOut) = zeroForOne ? (reserve0, reserve1) : (reserve1, reserve0);

        // Constant product after a fee of 0.3 %: out = reserveOut * in * 997 / (reserveIn * 1000 + in * 997), down.
        uint256 amountInLessFee = (IERC20(token).balanceOf(address(pair)) - reserveIn) * 997;
        uint256 amountOut = reserveOut * amountInLessFee / (reserveIn * 1000 + amountInLessFee);

        pair.swap(zeroForOne ? 0 : amountOut, zeroForOne ? amountOut : 0, to, "");
    }
}

// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IIndexToken} from "../interfaces/IIndexToken.sol";
import {IPriceOracle} from "../interfaces/IPriceOracle.sol";
import {ITaker, Leg} from "../interfaces/ITaker.sol";

interface IAdversaryPair {
    function token0() external view returns (address);
    function getReserves() external view returns (uint112, uint112, uint32);
    function swap(uint256 amount0Out, uint256 amount1Out, address to, bytes calldata data) external;
}

interface IAdversaryPool {
    function token0() external view returns (address);
    function swap(address to, bool zeroForOne, int256 amountSpecified, uint160 sqrtPriceLimitX96, bytes calldata data)
        external
        returns (int256, int256);
}

/// @title AdversaryWallet
/// @notice The purse of one hostile agent: makes many calls in one transaction, trades with genuine pools, is the taker
/// of the exchanges it is named in, and does there whatever it was told to.
/// @dev It is the agent and may do anything, also be the strategist; what it must not do is lose the agent's own money
/// to a stranger, because then the agent would look weaker than he is. Hence the owner.
contract AdversaryWallet is ITaker {
    using SafeERC20 for IERC20;

    struct Call {
        address target;
        bytes data;
    }

    /// @notice What to do in the callback of an exchange. `data` is `abi.encode(Answer)`; empty: pay what is asked.
    struct Answer {
        Call[] before; // each tried before paying, whether it works or not
        uint256 payPpm; // {ppm} of what is asked
        bool giveBack; // pays what it was sold as well, as far as it still has it
    }

    uint160 private constant MIN_SQRT_PRICE_LIMIT = 4295128740;
    uint160 private constant MAX_SQRT_PRICE_LIMIT = 1461446703485210103287273052203988822378723970341;

    address public immutable owner;
    uint256 public worked; // calls of answers that went through
    uint256 public refused; // calls of answers that did not
    bytes public lastRefusal;
    address private transient _pool;
    bool private transient _answering;

    error NotOwner(address caller);

    constructor(address owner_) {
        owner = owner_;
    }

    modifier onlyOwner() {
        require(msg.sender == owner || msg.sender == address(this), NotOwner(msg.sender));
        _;
    }

    /// @notice All of the calls or none, in one transaction; returns what each returned.
    function run(Call[] calldata calls) external onlyOwner returns (bytes[] memory results) {
        results = new bytes[](calls.length);
        for (uint256 i; i < calls.length; ++i) {
            (bool ok, bytes memory result) = calls[i].target.call(calls[i].data);
            if (!ok) {
                assembly ("memory-safe") {
                    revert(add(result, 32), mload(result))
                }
            }
            results[i] = result;
        }
    }

    /// @notice Sells `amountIn` of `token` to a Uniswap V2 pair.
    function sellV2(address pair, address token, uint256 amountIn) public onlyOwner {
        (uint256 x, uint256 y,) = IAdversaryPair(pair).getReserves();
        bool zeroForOne = IAdversaryPair(pair).token0() == token;
        (uint256 reserveIn, uint256 reserveOut) = zeroForOne ? (x, y) : (y, x);
        uint256 out = reserveOut * (amountIn * 997) / (reserveIn * 1000 + amountIn * 997);
        IERC20(token).safeTransfer(pair, amountIn);
        IAdversaryPair(pair).swap(zeroForOne ? 0 : out, zeroForOne ? out : 0, address(this), "");
    }

    /// @notice Sells `amountIn` of `token` to a Uniswap V3 pool.
    function sellV3(address pool, address token, uint256 amountIn) public onlyOwner {
        bool zeroForOne = IAdversaryPool(pool).token0() == token;
        _pool = pool;
        IAdversaryPool(pool).swap(
            address(this),
            zeroForOne,
            int256(amountIn),
            zeroForOne ? MIN_SQRT_PRICE_LIMIT : MAX_SQRT_PRICE_LIMIT,
            abi.encode(token)
        );
        _pool = address(0);
    }

    /// @notice Sells all it holds of `token` above `keep`: unwinds a push of unknown size.
    function sellRest(bool isV3, address pool, address token, uint256 keep) external onlyOwner {
        uint256 held = IERC20(token).balanceOf(address(this));
        if (held <= keep) return;
        if (isV3) sellV3(pool, token, held - keep);
        else sellV2(pool, token, held - keep);
    }

    function uniswapV3SwapCallback(int256 amount0, int256 amount1, bytes calldata data) external {
        require(msg.sender == _pool, NotOwner(msg.sender));
        IERC20(abi.decode(data, (address))).safeTransfer(msg.sender, uint256(amount0 > 0 ? amount0 : amount1));
    }

    /// @inheritdoc ITaker
    function onExchange(Leg[] calldata outs, Leg[] calldata ins, bytes calldata data) external {
        Answer memory answer;
        answer.payPpm = 1e6;
        if (data.length != 0) answer = abi.decode(data, (Answer));
        if (!_answering) {
            _answering = true;
            for (uint256 i; i < answer.before.length; ++i) {
                (bool ok, bytes memory result) = answer.before[i].target.call(answer.before[i].data);
                if (ok) ++worked;
                else (refused, lastRefusal) = (refused + 1, result);
            }
            _answering = false;
        }
        for (uint256 i; i < ins.length; ++i) {
            IERC20(ins[i].token).safeTransfer(msg.sender, ins[i].amount * answer.payPpm / 1e6);
        }
        if (!answer.giveBack) return;
        for (uint256 i; i < outs.length; ++i) {
            IERC20(outs[i].token).safeTransfer(msg.sender, outs[i].amount);
        }
    }
}

/// @title AdversaryEye
/// @notice Everything the meter reads after a step, in one call.
contract AdversaryEye {
    struct Sight {
        uint256 supply; // {share}
        uint256[] reserves; // {tok} available to holders
        uint256[] prices; // D27{nUSD/tok} of the oracle, zero if none
        uint256[] held; // {tok} of the agent, claims included
        uint256 shares; // {share} of the agent
    }

    function look(IIndexToken index, IPriceOracle oracle, address[] calldata tokens, address agent)
        external
        view
        returns (Sight memory sight)
    {
        sight.supply = IERC20(address(index)).totalSupply();
        sight.shares = IERC20(address(index)).balanceOf(agent);
        uint256 n = tokens.length;
        (sight.reserves, sight.prices, sight.held) = (new uint256[](n), new uint256[](n), new uint256[](n));
        for (uint256 i; i < n; ++i) {
            IERC20 token = IERC20(tokens[i]);
            sight.reserves[i] = token.balanceOf(address(index)) - index.claimsOwed(tokens[i]);
            sight.prices[i] = oracle.tryPrice(tokens[i]);
            sight.held[i] = token.balanceOf(agent) + index.claimOf(tokens[i], agent);
        }
    }
}

/// @title AdversaryGuard
/// @notice Agrees to everything: with it the meter must see the bound broken, or the meter is blind.
contract AdversaryGuard {
    function check(Leg[] calldata, Leg[] calldata, uint256) external {}

    function chargeFee(uint256, uint256) external {}

    function revalue(address) external returns (uint256) {}
}

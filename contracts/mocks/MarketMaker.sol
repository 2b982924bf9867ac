// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {MockAggregator} from "./MockAggregator.sol";
import {TestToken} from "./TestToken.sol";

interface IMakerWeth {
    function deposit() external payable;
    function balanceOf(address account) external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
}

interface IMakerV2Factory {
    function createPair(address tokenA, address tokenB) external returns (address pair);
}

interface IMakerV2Pair {
    function token0() external view returns (address);
    function token1() external view returns (address);
    function getReserves() external view returns (uint112, uint112, uint32);
    function totalSupply() external view returns (uint256);
    function balanceOf(address account) external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
    function mint(address to) external returns (uint256);
    function burn(address to) external returns (uint256, uint256);
    function swap(uint256 amount0Out, uint256 amount1Out, address to, bytes calldata data) external;
}

interface IMakerV3Factory {
    function createPool(address tokenA, address tokenB, uint24 fee) external returns (address pool);
}

interface IMakerV3Pool {
    function token0() external view returns (address);
    function token1() external view returns (address);
    function tickSpacing() external view returns (int24);
    function liquidity() external view returns (uint128);
    function slot0() external view returns (uint160, int24, uint16, uint16, uint16, uint8, bool);
    function positions(bytes32 key) external view returns (uint128, uint256, uint256, uint128, uint128);
    function initialize(uint160 sqrtPriceX96) external;
    function increaseObservationCardinalityNext(uint16 observationCardinalityNext) external;
    function mint(address to, int24 lower, int24 upper, uint128 amount, bytes calldata data)
        external
        returns (uint256, uint256);
    function burn(int24 lower, int24 upper, uint128 amount) external returns (uint256, uint256);
    function collect(address to, int24 lower, int24 upper, uint128 amount0, uint128 amount1)
        external
        returns (uint128, uint128);
    function swap(address to, bool zeroForOne, int256 amountSpecified, uint160 sqrtPriceLimitX96, bytes calldata data)
        external
        returns (int256, int256);
}

/// @title MarketMaker
/// @notice The whole outside world of a local market in one contract: it opens pools, provides their liquidity, trades
/// them to the market's price, reports prices to the aggregators, and runs the token faucet.
/// @dev Devnet only. It owns every TestToken and MockAggregator and creates what it pays with. One transaction moves
/// many pools, which is what makes a market day cheap. Full-range liquidity everywhere: it survives a jump of any size.
contract MarketMaker is Ownable {
    /// @notice A pool to open. `fee` 0 is a Uniswap V2 pair, any other is a V3 pool of that fee.
    struct Opening {
        address token0;
        address token1;
        uint24 fee; // {1e-6}
        uint160 sqrtPriceX96; // √(token1/token0 in base units) · 2^96
        uint128 liquidity; // √(amount0·amount1)
    }

    /// @notice Where a pool should stand.
    struct Target {
        address pool;
        bool isV3;
        uint160 sqrtPriceX96; // as in Opening
        uint128 liquidity; // as in Opening; moved only when it is off by more than a quarter
    }

    /// @notice One answer for one aggregator.
    struct Quote {
        MockAggregator aggregator;
        int192 answer; // 10^decimals {USD/TOK}
        uint64 updatedAt; // {s}
    }

    uint256 private constant Q96 = 2 ** 96;
    uint16 private constant OBSERVATIONS = 32;
    int24 private constant MAX_TICK = 887272;

    IMakerWeth public immutable weth;
    IMakerV2Factory public immutable v2Factory;
    IMakerV3Factory public immutable v3Factory;

    /// @dev The only pool that may call back, and only while we are inside it.
    address private _activePool;

    error NotActivePool(address caller);

    constructor(address owner_, IMakerWeth weth_, IMakerV2Factory v2Factory_, IMakerV3Factory v3Factory_)
        Ownable(owner_)
    {
        weth = weth_;
        v2Factory = v2Factory_;
        v3Factory = v3Factory_;
    }

    /// @notice Ether to wrap when a WETH pool must be paid.
    receive() external payable {}

    /// @notice Creates pools at their price with their liquidity.
    function open(Opening[] calldata openings) external onlyOwner {
        for (uint256 i = 0; i < openings.length; i++) {
            Opening calldata o = openings[i];
            if (o.fee == 0) {
                address pair = v2Factory.createPair(o.token0, o.token1);
                _payBoth(o.token0, o.token1, pair, _amount0(o.liquidity, o.sqrtPriceX96), _amount1(o));
                IMakerV2Pair(pair).mint(address(this));
            } else {
                IMakerV3Pool pool = IMakerV3Pool(v3Factory.createPool(o.token0, o.token1, o.fee));
                pool.initialize(o.sqrtPriceX96);
                pool.increaseObservationCardinalityNext(OBSERVATIONS);
                _setV3Liquidity(pool, o.liquidity);
            }
        }
    }

    /// @notice Moves pools to their target price, and their liquidity when it is far off.
    /// @dev Liquidity leaves before the trade and comes after it, so that a dying coin never needs more tokens than fit.
    function trade(Target[] calldata targets) external onlyOwner {
        for (uint256 i = 0; i < targets.length; i++) {
            Target calldata t = targets[i];
            if (t.isV3) _tradeV3(IMakerV3Pool(t.pool), t.sqrtPriceX96, t.liquidity);
            else _tradeV2(IMakerV2Pair(t.pool), t.sqrtPriceX96, t.liquidity);
        }
    }

    /// @notice Reports prices to the aggregators.
    function report(Quote[] calldata quotes) external onlyOwner {
        for (uint256 i = 0; i < quotes.length; i++) {
            quotes[i].aggregator.report(quotes[i].answer, quotes[i].updatedAt);
        }
    }

    /// @notice The faucet: gives `amount` {tok} of a test token or of WETH to `to`.
    function give(address token, address to, uint256 amount) external onlyOwner {
        _pay(token, to, amount);
    }

    /// @notice Any other owner call on a token or aggregator, such as moving a feed's clamp.
    function execute(address target, bytes calldata data) external onlyOwner {
        (bool ok, bytes memory reason) = target.call(data);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(reason, 32), mload(reason))
            }
        }
    }

    function uniswapV3MintCallback(uint256 owed0, uint256 owed1, bytes calldata) external {
        require(msg.sender == _activePool, NotActivePool(msg.sender));
        _payBoth(IMakerV3Pool(msg.sender).token0(), IMakerV3Pool(msg.sender).token1(), msg.sender, owed0, owed1);
    }

    function uniswapV3SwapCallback(int256 delta0, int256 delta1, bytes calldata) external {
        require(msg.sender == _activePool, NotActivePool(msg.sender));
        if (delta0 > 0) _pay(IMakerV3Pool(msg.sender).token0(), msg.sender, uint256(delta0));
        if (delta1 > 0) _pay(IMakerV3Pool(msg.sender).token1(), msg.sender, uint256(delta1));
    }

    /* UNISWAP V3 */

    function _tradeV3(IMakerV3Pool pool, uint160 sqrtPriceX96, uint128 liquidity) private {
        uint128 current = pool.liquidity();
        bool resize = _isFarOff(current, liquidity);
        if (resize && liquidity < current) _setV3Liquidity(pool, liquidity);

        (uint160 price,,,,,,) = pool.slot0();
        if (price != sqrtPriceX96) {
            _activePool = address(pool);
            pool.swap(address(this), sqrtPriceX96 < price, type(int256).max, sqrtPriceX96, "");
            _activePool = address(0);
        }

        if (resize && liquidity > current) _setV3Liquidity(pool, liquidity);
    }

    /// @dev Makes our own full-range position so large that the pool has `liquidity` in range, as far as ours goes.
    function _setV3Liquidity(IMakerV3Pool pool, uint128 liquidity) private {
        int24 spacing = pool.tickSpacing();
        int24 upper = MAX_TICK / spacing * spacing;
        uint128 current = pool.liquidity();
        if (liquidity > current) {
            _activePool = address(pool);
            pool.mint(address(this), -upper, upper, liquidity - current, "");
            _activePool = address(0);
        } else {
            (uint128 ours,,,,) = pool.positions(keccak256(abi.encodePacked(address(this), -upper, upper)));
            pool.burn(-upper, upper, uint128(Math.min(ours, current - liquidity)));
            pool.collect(address(this), -upper, upper, type(uint128).max, type(uint128).max);
        }
    }

    /* UNISWAP V2 */

    function _tradeV2(IMakerV2Pair pair, uint160 sqrtPriceX96, uint128 liquidity) private {
        (uint256 x, uint256 y,) = pair.getReserves();
        uint256 current = Math.sqrt(x * y);
        bool resize = _isFarOff(current, liquidity);
        if (resize && liquidity < current) {
            uint256 excess = Math.mulDiv(pair.totalSupply(), current - liquidity, current);
            pair.transfer(address(pair), Math.min(excess, pair.balanceOf(address(this))));
            pair.burn(address(this));
        }

        _swapV2(pair, sqrtPriceX96);

        if (resize && liquidity > current) {
            (x, y,) = pair.getReserves();
            current = Math.sqrt(x * y);
            uint256 missing = liquidity > current ? liquidity - current : 0;
            _payBoth(
                pair.token0(),
                pair.token1(),
                address(pair),
                Math.mulDiv(x, missing, current),
                Math.mulDiv(y, missing, current)
            );
            pair.mint(address(this));
        }
    }

    /// @dev One exact-input swap that leaves reserve1/reserve0 at the target.
    function _swapV2(IMakerV2Pair pair, uint160 sqrtPriceX96) private {
        (uint256 x, uint256 y,) = pair.getReserves();
        uint256 k = Math.sqrt(x * y);
        uint256 sold = _amountToPrice(x, _amount0(k, sqrtPriceX96));
        uint256 bought = _amountOut(sold, x, y);
        if (bought > 0) {
            _pay(pair.token0(), address(pair), sold);
            pair.swap(0, bought, address(this), "");
            return;
        }
        sold = _amountToPrice(y, Math.mulDiv(k, sqrtPriceX96, Q96));
        bought = _amountOut(sold, y, x);
        if (bought > 0) {
            _pay(pair.token1(), address(pair), sold);
            pair.swap(bought, 0, address(this), "");
        }
    }

    /// @dev The input that takes a reserve `x` to the price at which, without a fee, it would be `goal`. The positive
    /// root of 997·d² + 1997·x·d + 1000·(x² − goal²) = 0: the pool keeps the 0.3 % fee of the input, so that it ends a
    /// little above `goal`. 0 when x is there already or the trade goes the other way.
    function _amountToPrice(uint256 x, uint256 goal) private pure returns (uint256) {
        if (goal <= x) return 0;
        uint256 root = Math.sqrt(9 * x * x + 3_988_000 * goal * goal);
        return root > 1997 * x ? (root - 1997 * x) / 1994 : 0;
    }

    function _amountOut(uint256 amountIn, uint256 reserveIn, uint256 reserveOut) private pure returns (uint256) {
        return amountIn * 997 * reserveOut / (reserveIn * 1000 + amountIn * 997);
    }

    /* COMMON */

    function _amount0(uint256 liquidity, uint160 sqrtPriceX96) private pure returns (uint256) {
        return Math.mulDiv(liquidity, Q96, sqrtPriceX96);
    }

    function _amount1(Opening calldata o) private pure returns (uint256) {
        return Math.mulDiv(o.liquidity, o.sqrtPriceX96, Q96);
    }

    function _isFarOff(uint256 current, uint256 wanted) private pure returns (bool) {
        return wanted * 4 < current * 3 || wanted * 4 > current * 5;
    }

    function _payBoth(address token0, address token1, address to, uint256 amount0, uint256 amount1) private {
        _pay(token0, to, amount0);
        _pay(token1, to, amount1);
    }

    /// @dev Pays from what we hold, and creates what is missing.
    function _pay(address token, address to, uint256 amount) private {
        if (amount == 0) return;
        uint256 held = IMakerWeth(token).balanceOf(address(this));
        if (token == address(weth)) {
            if (held < amount) weth.deposit{value: amount - held}();
        } else if (held < amount) {
            TestToken(token).mint(address(this), amount - held);
        }
        require(IMakerWeth(token).transfer(to, amount));
    }
}

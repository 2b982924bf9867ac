// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IFeeSplitter} from "./interfaces/IFeeSplitter.sol";
import {IIndexToken} from "./interfaces/IIndexToken.sol";
import {Constants} from "./libraries/Constants.sol";
import {Errors} from "./libraries/Errors.sol";
import {FeeMath} from "./libraries/FeeMath.sol";
import {RoleLib} from "./libraries/RoleLib.sol";

/// @title FeeSplitter
/// @notice One splitter for all indexes; each has its own table and its own shares here.
/// @dev TRUST: only the index named by the caller is called, and only its shares move, so an index that is not genuine can
/// hurt nobody but itself.
contract FeeSplitter is IFeeSplitter {
    mapping(address index => Table) private _tables;
    mapping(address index => bool) public isFinal;

    /* ANYONE */

    /// @inheritdoc IFeeSplitter
    function distribute(address index) external returns (uint256[] memory paid, uint256 burned) {
        require(_hasTable(index), Errors.NotRegistered(index));
        (paid, burned) = _distribute(index);
    }

    /* FACTORY AND GOVERNOR */

    /// @inheritdoc IFeeSplitter
    function setTable(address index, Table calldata table) external {
        bool isFirst = !_hasTable(index);
        if (!isFirst || IIndexToken(index).factory() != msg.sender) RoleLib.requireRole(index);
        require(!isFinal[index], Errors.TableFinal(index));
        _checkTable(index, table);

        if (!isFirst) _distribute(index);
        _tables[index] = table;

        emit SetTable(index, table.recipients, table.weights, table.burnWeight);
    }

    /// @inheritdoc IFeeSplitter
    function finalise(address index) external {
        require(_hasTable(index), Errors.NotRegistered(index));
        RoleLib.requireRole(index);
        isFinal[index] = true;
        emit Finalise(index);
    }

    /* VIEWS */

    /// @inheritdoc IFeeSplitter
    function tableOf(address index) external view returns (Table memory) {
        return _tables[index];
    }

    /* INTERNALS */

    function _distribute(address index) private returns (uint256[] memory paid, uint256 burned) {
        IIndexToken(index).collect();
        uint256 shares = IERC20(index).balanceOf(address(this));
        Table memory table = _tables[index];

        paid = new uint256[](table.recipients.length);
        for (uint256 i; i < paid.length; ++i) {
            paid[i] = FeeMath.partOf(shares, table.weights[i]);
            // An index reverts when it cannot send; it never answers false.
            if (paid[i] != 0) IERC20(index).transfer(table.recipients[i], paid[i]);
        }
        burned = FeeMath.partOf(shares, table.burnWeight);
        if (burned != 0) IIndexToken(index).burn(burned);

        emit Distribute(index, shares, paid, burned);
    }

    /// @dev A table without recipients burns everything.
    function _hasTable(address index) private view returns (bool) {
        return _tables[index].recipients.length != 0 || _tables[index].burnWeight != 0;
    }

    function _checkTable(address index, Table calldata table) private view {
        uint256 n = table.recipients.length;
        require(table.weights.length == n, Errors.LengthMismatch(table.weights.length, n));
        require(
            n <= Constants.MAX_FEE_RECIPIENTS,
            Errors.ValueOutOfBounds("recipients", n, 0, Constants.MAX_FEE_RECIPIENTS)
        );
        _checkWeight("burnWeight", table.burnWeight, 0);
        uint256 sum = table.burnWeight;
        for (uint256 i; i < n; ++i) {
            address recipient = table.recipients[i];
            require(recipient != address(0), Errors.ZeroAddress());
            require(recipient != index && recipient != address(this), Errors.RecipientInvalid(recipient));
            for (uint256 j; j < i; ++j) {
                require(table.recipients[j] != recipient, Errors.RecipientInvalid(recipient));
            }
            _checkWeight("weight", table.weights[i], 1);
            sum += table.weights[i];
        }
        require(sum == Constants.WAD, Errors.WeightsSumInvalid(sum));
    }

    function _checkWeight(bytes32 what, uint256 weight, uint256 min) private pure {
        require(weight >= min && weight <= Constants.WAD, Errors.ValueOutOfBounds(what, weight, min, Constants.WAD));
    }
}

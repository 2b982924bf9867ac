// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title IFeeSplitter
/// @notice Fee recipient of any number of indexes: shares out each one's fee shares by a table, and burns a part for the
/// holders.
/// @dev Parts round down; what is left stays for the next time. Shares are sent by a plain ERC-20 transfer, so no recipient
/// can stop the others. Each index is on its own: its shares are its own token.
interface IFeeSplitter {
    /// @param recipients who share, at most MAX_FEE_RECIPIENTS
    /// @param weights D18{1} of each
    /// @param burnWeight D18{1} that is burned for the holders; all weights sum to exactly 1e18
    struct Table {
        address[] recipients;
        uint256[] weights;
        uint256 burnWeight;
    }

    event SetTable(address indexed index, address[] recipients, uint256[] weights, uint256 burnWeight);
    event Finalise(address indexed index);
    event Distribute(address indexed index, uint256 shares, uint256[] paid, uint256 burned);

    function tableOf(address index) external view returns (Table memory);

    /// @notice Whether the table of the index can never change again.
    function isFinal(address index) external view returns (bool);

    /// @notice Collects the pending fees of the index and shares out all of its shares that are here. Anyone may.
    /// @dev Errors: NotRegistered.
    /// @return paid {share} to each recipient
    /// @return burned {share}
    function distribute(address index) external returns (uint256[] memory paid, uint256 burned);

    /// @notice Sets the table, after distributing by the old one: the factory of the index once, later its governor.
    /// @dev Errors: NotAuthorized, TableFinal, LengthMismatch, ValueOutOfBounds, ZeroAddress, RecipientInvalid,
    /// WeightsSumInvalid.
    function setTable(address index, Table calldata table) external;

    /// @notice Makes the table final, for good; governor of the index.
    function finalise(address index) external;
}

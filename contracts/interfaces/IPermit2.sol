// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title IPermit2
/// @notice What the zap needs of Permit2: a transfer that its owner signed, once, for this caller, this token and no more.
/// @dev The names and types are part of what is signed. The contract lies at the same address on every chain.
interface IPermit2 {
    /// @param token that may be transferred
    /// @param amount {tok} at most
    struct TokenPermissions {
        address token;
        uint256 amount;
    }

    /// @param permitted what was signed
    /// @param nonce of the owner's choice, used once
    /// @param deadline {s} after which the signature is worthless
    struct PermitTransferFrom {
        TokenPermissions permitted;
        uint256 nonce;
        uint256 deadline;
    }

    /// @param to receiver
    /// @param requestedAmount {tok}
    struct SignatureTransferDetails {
        address to;
        uint256 requestedAmount;
    }

    /// @notice Transfers from `owner`, who signed `permit` with the caller as spender.
    function permitTransferFrom(
        PermitTransferFrom calldata permit,
        SignatureTransferDetails calldata transferDetails,
        address owner,
        bytes calldata signature
    ) external;
}

using System.Globalization;
using PsVm.Riscv;

namespace PsVm.Machine.Guests;

/// <summary>What a host takes from environment variables where its maker does not say.</summary>
internal static class HostEnvironment
{
    /// <summary>Who may share decoded and translated code.</summary>
    /// <exception cref="GuestException">The variable names none.</exception>
    public static CodeSharing Sharing() => Sharing(Environment.GetEnvironmentVariable(GuestHost.CodeSharingVariable));

    /// <summary>Who may share code, by the variable's text; null: it is not set.</summary>
    internal static CodeSharing Sharing(string? variable)
    {
        string text = variable?.Trim() ?? "";
        return text.Length == 0 ? CodeSharing.Template
            : Enum.GetNames<CodeSharing>().FirstOrDefault(name => name.Equals(text, StringComparison.OrdinalIgnoreCase)) is { } name
                ? Enum.Parse<CodeSharing>(name)
                : throw new GuestException(
                    GuestErrorIds.CodeSharingInvalid,
                    $"Expected {GuestHost.CodeSharingVariable} to be {string.Join(" or ", Enum.GetNames<CodeSharing>())}, found '{text}'.",
                    text,
                    $"Set {GuestHost.CodeSharingVariable} to {CodeSharing.Template}, or leave it unset.");
    }

    /// <summary>How guest code is translated.</summary>
    /// <exception cref="GuestException">The variable is no size that is possible.</exception>
    public static TranslatorOptions Translation() => Translation(Environment.GetEnvironmentVariable(GuestHost.CodeBytesVariable));

    /// <summary>How guest code is translated, by the variable's text; null: it is not set.</summary>
    internal static TranslatorOptions Translation(string? text)
    {
        if (string.IsNullOrEmpty(text))
        {
            return TranslatorOptions.Default;
        }

        const long Most = 1L << 30; // what jumps within it can span
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long bytes)
            && bytes is >= TranslatorOptions.LeastCodeBytes and <= Most && bytes % Environment.SystemPageSize == 0
            ? TranslatorOptions.Default with { CodeBytes = bytes }
            : throw new GuestException(
                GuestErrorIds.CodeBytesInvalid,
                $"Expected {GuestHost.CodeBytesVariable} to be a number of bytes from {TranslatorOptions.LeastCodeBytes} to {Most} in "
                + "whole pages of "
                + $"{Environment.SystemPageSize}, found '{text}'.",
                text);
    }
}

using System.Globalization;

namespace PsVm.Benchmarks;

/// <summary>Names of addresses, from a list such as System.map or what nm prints: address, kind, name, one to a line.</summary>
internal sealed class GuestSymbols
{
    private readonly ulong[] _addresses;
    private readonly string[] _names;

    private GuestSymbols((ulong Address, string Name)[] sorted)
    {
        _addresses = [.. sorted.Select(symbol => symbol.Address)];
        _names = [.. sorted.Select(symbol => symbol.Name)];
    }

    /// <summary>Reads a list of functions; others' lines are passed over.</summary>
    /// <param name="path">The file; null: no address has a name.</param>
    /// <exception cref="BenchmarkException">It has none.</exception>
    public static GuestSymbols Read(string? path)
    {
        if (path is null)
        {
            return new GuestSymbols([]);
        }

        List<(ulong Address, string Name)> found = [];
        foreach (string line in File.ReadLines(path))
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words is [string address, "t" or "T" or "w" or "W", string name, ..]
                && ulong.TryParse(address, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong at) && at != 0)
            {
                found.Add((at, name));
            }
        }

        return found.Count == 0
            ? throw new BenchmarkException($"Expected lines of an address, t or T, and a name in {path}, found none.")
            : new GuestSymbols([.. found.OrderBy(symbol => symbol.Address)]);
    }

    /// <summary>The function that an address is in; where none is known, its page.</summary>
    public string NameOf(ulong address)
    {
        int found = Array.BinarySearch(_addresses, address);
        int at = found >= 0 ? found : ~found - 1;

        // Far behind the last function of a list is no part of it.
        return at < 0 || (at == _addresses.Length - 1 && address - _addresses[at] > 1 << 16)
            ? $"page 0x{address & ~0xffful:x}"
            : _names[at];
    }
}

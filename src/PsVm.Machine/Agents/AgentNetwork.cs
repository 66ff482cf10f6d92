using System.Net;
using System.Text.Json;

namespace PsVm.Machine.Agents;

/// <summary>
/// Reads what an agent says of a guest's network interfaces; what makes no sense is left out, and so is what no guest needs.
/// </summary>
internal static class AgentNetwork
{
    private const int MostInterfaces = 256, MostAddresses = 256, MostName = 64;

    private static readonly IPNetwork s_linkLocal = new(new IPAddress([169, 254, 0, 0]), 16); // RFC 3927

    /// <summary>Whether others than the guest itself, and than its neighbours on one link, can mean an address.</summary>
    public static bool IsReachable(IPAddress address) =>
        !IPAddress.IsLoopback(address) && !address.IsIPv6LinkLocal && !address.Equals(IPAddress.Any) && !address.Equals(IPAddress.IPv6Any)
        && !s_linkLocal.Contains(address);

    public static IReadOnlyList<GuestNetworkInterface> Read(string guest, JsonElement answer)
    {
        if (answer.ValueKind != JsonValueKind.Array)
        {
            throw AgentErrors.Garbled(guest, "a list of network interfaces", $"'{answer}'");
        }

        return [
            .. answer.EnumerateArray().Take(MostInterfaces).Where(found => Text(found, "name") is not null)
            .Select(found => new GuestNetworkInterface(
            guest, Text(found, "name")!)
        {
            HardwareAddress = Text(found, "hardware-address"),
            Addresses = [.. Addresses(found)],
        })];
    }

    private static IEnumerable<GuestNetworkAddress> Addresses(JsonElement found)
    {
        if (!found.TryGetProperty("ip-addresses", out JsonElement addresses) || addresses.ValueKind != JsonValueKind.Array)
        {
            yield break;
        }

        foreach (JsonElement address in addresses.EnumerateArray().Take(MostAddresses))
        {
            if (Text(address, "ip-address") is { } text && IPAddress.TryParse(text, out IPAddress? ip)
                && AgentNumbers.TryRead(address, "prefix", out long length) && length is >= 0 and <= 128)
            {
                yield return new GuestNetworkAddress(ip, (int)length);
            }
        }
    }

    private static string? Text(JsonElement of, string name) => of.ValueKind == JsonValueKind.Object
        && of.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String
        && value.GetString() is { Length: > 0 and <= MostName } text ? VisibleText.Of(text) : null;
}

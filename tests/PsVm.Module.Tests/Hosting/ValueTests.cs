using System.Text.Json;

namespace PsVm.Module.Tests.Hosting;

/// <summary>What crosses between cmdlets and hosts is data: it comes out of a socket as it went in.</summary>
public class ValueTests
{
    private static readonly MappingOutcome s_outcome = new()
    {
        Id = "ram", Path = "/ram.img", Size = 4096, Reason = "because", MachineType = "virt-1.1", OpenFlags = "O_RDONLY",
        Protection = "PROT_READ",
        MapFlags = "MAP_PRIVATE", Address = 0x7f00_0000_0000, Warnings = [new("SomeId", "something")], Elapsed = TimeSpan.FromSeconds(1),
    };

    public static TheoryData<object> Values() =>
    [
        new PsVmError(MemoryErrorIds.FileNotFound, "expected, found") { Target = "/ram.img", RecommendedAction = "make it" },
        new GuestReference("web", Guid.NewGuid()),
        new BackendReference("ram", Guid.NewGuid()),
        new MemoryBackendOptions { Id = "ram", HostNodes = [0, 1], Kind = BackendKind.Memfd, AllowPrivateDiscard = true },
        new MemoryBackendInfo
        {
            Id = "ram", InstanceId = Guid.NewGuid(), Options = new() { Id = "ram" }, Outcome = s_outcome,
            File = new FileIdentity(1, 2, 3, 4),
        },
        new GuestOptions { Name = "web", BackendIds = ["ram", new BackendReference("rom", Guid.NewGuid())], Harts = 2 },
        new GuestInfo
        {
            Id = Guid.NewGuid(), Name = "web", MachineType = "virt-1.1", Boot = "Image", Backends = [s_outcome], State = GuestState.Failed,
            EndedAt = DateTimeOffset.UtcNow, Failure = new PsVmError(GuestErrorIds.GuestFailed, "why"),
        },
        new HostEvents(
            [new(DateTimeOffset.UtcNow, HostEventLevel.Error, HostEventIds.GuestFailed, "what") { Guest = new("web", Guid.NewGuid()) }],
            1,
            0),
        new DiscardOutcome("ram", 0, 4096, 4096, DiscardPolicy.PunchHole, "how", null, []),
        new BackendReport { Path = "/ram.img", Errors = [new("SomeId", "something", "do")] },
        new MemoryBackendPolicy(true, MemoryBackendPolicy.SetByCmdlet),
    ];

    [Theory]
    [MemberData(nameof(Values), DisableDiscoveryEnumeration = true)]
    public void A_value_survives_the_way_through_text(object value)
    {
        string sent = JsonSerializer.Serialize(value, value.GetType());

        object received = JsonSerializer.Deserialize(sent, value.GetType())!;

        Assert.Equal(sent, JsonSerializer.Serialize(received, value.GetType()));
    }
}

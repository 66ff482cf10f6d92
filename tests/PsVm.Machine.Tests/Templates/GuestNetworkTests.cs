using System.Text.Json.Nodes;

namespace PsVm.Machine.Tests.Templates;

/// <summary>Network adapters of guests and clones, and what is refused of them, without a driver.</summary>
public sealed class GuestNetworkTests : TemplateTest
{
    private const string Address = "52:54:00:12:34:56";

    [Fact]
    public void A_guest_with_adapters_has_a_board_with_slots_and_addresses_of_its_own()
    {
        string guest = Boot(Networked(Hub(), Hub("lan") with { Name = "back", Mac = "52-54-00-AB-CD-EF", Mtu = 9000 }));
        string other = Boot(Networked(Hub()));

        Assert.Equal("virt-1.4", Host.Get(guest).MachineType);
        Assert.Equal(
            [("net0", "default", 1500, true), ("back", "lan", 9000, true)],
            Host.Get(guest).Networks.Select(adapter => (adapter.Name, adapter.Network, adapter.Mtu, adapter.Connected)));
        Assert.Equal("52:54:00:ab:cd:ef", Host.Get(guest).Networks[1].Mac);
        Assert.NotEqual(Host.Get(guest).Networks[0].Mac, Host.Get(other).Networks[0].Mac);
        Assert.Equal(
            (guest, NetworkBackend.Hub, (string?)null),
            (Host.Get(guest).Networks[0].Guest, Host.Get(guest).Networks[0].Backend, Host.Get(guest).Networks[0].LastFailure));
    }

    [Fact]
    public void An_address_is_one_adapters_as_long_as_its_guest_exists()
    {
        GuestOptions options = Networked(Hub() with { Mac = Address });
        string guest = Boot(options);

        GuestException refused = Assert.Throws<GuestException>(() => Host.Start(options, CancellationToken.None));
        Assert.Equal((GuestErrorIds.NetworkMacInUse, Address), (refused.ErrorId, refused.Target));
        Assert.Equal(GuestErrorIds.NetworkMacInUse, Refused(Networked(Hub("elsewhere") with { Mac = Address.ToUpperInvariant() })));
        Assert.Equal(GuestErrorIds.NetworkMacInUse, Assert.Throws<GuestException>(() => Host.CheckStart(options)).ErrorId);
        Assert.Equal(
            GuestErrorIds.NetworkMacInUse,
            Refused(Networked(Hub() with { Mac = "02:00:00:00:00:01" }, Hub() with { Mac = "02:00:00:00:00:01" })));

        Host.Stop(guest);
        Assert.Equal(GuestErrorIds.NetworkMacInUse, Refused(options));
        Host.StartAgain(guest, CancellationToken.None);
        Assert.Equal(Address, Host.Get(guest).Networks[0].Mac);
        Host.Stop(guest);
        Host.Remove(guest);
        Host.CheckStart(options);
        End(Boot(options));
        End(Boot(Networked(Hub() with { Mac = "02:00:00:00:00:01" }))); // that of a guest that was refused is free
    }

    [Theory]
    [InlineData("")]
    [InlineData("a/b")]
    [InlineData("with space")]
    [InlineData("twentyone-letters-are")]
    [InlineData("net1")] // the name of the other
    public void A_name_is_one_and_of_one(string name) =>
        Assert.Equal(GuestErrorIds.NetworkNameInvalid, Refused(Networked(Hub() with { Name = name }, Hub())));

    public static TheoryData<GuestNetworkOptions, string> Wrong() => new()
    {
        { Hub("a/b"), "a name of a hub" },
        { Hub(""), "a name of a hub" },
        { Hub() with { Device = "tap0" }, "Device with the back end Tap" },
        { Hub() with { Forward = ["8080:80"] }, "Forward with the back end Passt" },
        { Hub() with { Mac = "here" }, "'here'" },
        { Hub() with { Mac = "ff:ff:ff:ff:ff:ff" }, "a MAC address of one adapter" },
        { Hub() with { Mac = "01:00:5e:00:00:01" }, "a MAC address of one adapter" },
        { Hub() with { Mac = "00:00:00:00:00:00" }, "a MAC address of one adapter" },
        { Hub() with { Mtu = 67 }, "found 67" },
        { Hub() with { Mtu = 65536 }, "found 65536" },
        { new GuestNetworkOptions { Backend = NetworkBackend.Passt, Hub = "lan" }, "Hub with the back end Hub" },
        { new GuestNetworkOptions { Backend = NetworkBackend.Tap }, "the Device" },
    };

    [Theory]
    [MemberData(nameof(Wrong), DisableDiscoveryEnumeration = true)]
    public void Contradictions_are_refused(GuestNetworkOptions options, string complaint)
    {
        GuestException refused = Assert.Throws<GuestException>(() => Host.CheckStart(Networked(options)));

        Assert.Equal(GuestErrorIds.NetworkOptionConflict, refused.ErrorId);
        Assert.Contains(complaint, refused.Message, StringComparison.Ordinal);
        Assert.Contains("'net0'", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Clones_are_on_the_hub_of_their_template_with_addresses_of_their_own_and_one_that_is_restored_has_its_address()
    {
        string guest = Boot(Networked(Hub("lan") with { Mac = Address, Mtu = 4000 }));
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t") });
        Assert.Equal(new TemplateNetwork { Name = "net0", Mac = Address, Mtu = 4000, Hub = "lan" }, Assert.Single(template.Networks));
        Assert.Equal(["net:net0"], template.Slots);

        string first = Clone(new GuestOptions { Template = template.Path }), second = Clone(new GuestOptions { Template = template.Path });
        GuestNetworkAdapter[] adapters = [.. new[] { first, second }.Select(name => Assert.Single(Host.Get(name).Networks))];
        Assert.All(
            adapters,
            adapter => Assert.Equal(("net0", "lan", 4000, true), (adapter.Name, adapter.Network, adapter.Mtu, adapter.Connected)));
        Assert.Equal(3, adapters.Select(adapter => adapter.Mac).Append(Address).Distinct().Count());

        // The guest that was checkpointed is there still.
        GuestOptions restored = new() { Template = template.Path, KeepIdentity = true };
        Assert.Equal(GuestErrorIds.NetworkMacInUse, Refused(restored));
        End(guest);
        Assert.Equal(Address, Host.Get(Clone(restored)).Networks[0].Mac);
        Assert.Equal(
            "other", Host.Get(Clone(new GuestOptions { Template = template.Path, Networks = [Hub("other")] })).Networks[0].Network);
        Assert.Empty(GuestTemplates(template.Path));
    }

    [Fact]
    public void What_only_one_guest_can_have_is_no_fleets()
    {
        GuestOptions plain = new() { Template = MakeTemplate("t").Path };
        Host.CheckRoom(plain, 3);
        File.WriteAllBytes(At("image"), new byte[4096]);
        (GuestOptions Options, string Id)[] wrong =
        [
            (Networked(Hub() with { Mac = Address }), GuestErrorIds.NetworkMacInUse),
            (Networked(Hub(), new GuestNetworkOptions { Backend = NetworkBackend.Tap, Device = "tap0" }), GuestErrorIds.TapInUse),
            (
                Networked(new GuestNetworkOptions { Backend = NetworkBackend.Passt, Forward = ["8080:80"] }),
                GuestErrorIds.NetworkPortUnavailable),
            (
                Networked() with { ConsolePorts = [new() { Name = "a" }, new() { Name = "b", Path = At("sock") }] },
                GuestErrorIds.ConsolePortUnavailable),
            (
                Networked() with { Disks = [new GuestDiskOptions { Path = At("image"), OverlayPath = At("overlay") }] },
                GuestErrorIds.DiskInUse),
        ];
        foreach ((GuestOptions options, string id) in wrong)
        {
            Host.CheckRoom(options, 1);
            GuestException refused = Assert.Throws<GuestException>(() => Host.CheckRoom(options, 2));
            Assert.Equal(id, refused.ErrorId);
            Assert.Contains("for 2 guests", refused.Message, StringComparison.Ordinal);
            Assert.NotNull(refused.RecommendedAction);
        }

        Host.CheckRoom(Networked(Hub(), Hub("other"), new GuestNetworkOptions { Backend = NetworkBackend.Passt }), 100);
    }

    [Fact]
    public void Clones_have_the_adapters_of_their_template_and_no_others()
    {
        string guest = Boot(Networked(Hub(), Hub("back") with { Name = "back" }));
        string bare = Boot(new GuestOptions { Memory = Memory });
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t") });
        GuestTemplate without = Make(bare, new CheckpointOptions { Path = At("bare") });

        Assert.Equal(
            GuestErrorIds.TemplateNetworkMismatch,
            Refused(new GuestOptions { Template = template.Path, Networks = [Hub() with { Name = "other" }] }));
        Assert.Equal(
            GuestErrorIds.TemplateNetworkMismatch,
            Refused(new GuestOptions { Template = template.Path, Networks = [Hub(), Hub(), Hub()] }));
        Assert.Equal(
            GuestErrorIds.TemplateNetworkMismatch,
            Refused(new GuestOptions { Template = template.Path, Networks = [Hub() with { Mtu = 1000 }] }));
        Assert.Equal(GuestErrorIds.TemplateNetworkMismatch, Refused(new GuestOptions { Template = without.Path, Networks = [Hub()] }));

        string clone = Clone(new GuestOptions { Template = template.Path, Networks = [Hub("third") with { Name = "back" }] });
        Assert.Equal(["default", "third"], Host.Get(clone).Networks.Select(adapter => adapter.Network));
    }

    [Fact]
    public void A_clone_of_what_led_elsewhere_leads_nowhere_until_it_is_said_and_says_so()
    {
        string guest = Boot(Networked(Hub()));
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t") });
        Edit(template, manifest => manifest["networks"]![0]!.AsObject().Remove("hub"));

        GuestNetworkAdapter adapter = Host.Get(Clone(new GuestOptions { Template = template.Path })).Networks[0];

        Assert.Equal((null, null, false), (adapter.Backend, adapter.Network, adapter.Connected));
        HostEvent warning = Assert.Single(Host.ReadEvents(0).Events, happened => happened.Id == HostEventIds.GuestDeviceFailed);
        Assert.Contains("'net0' leads nowhere", warning.Message, StringComparison.Ordinal);
        Assert.True(Host.Get(Clone(new GuestOptions { Template = template.Path, Networks = [Hub()] })).Networks[0].Connected);
    }

    [Theory]
    [InlineData("mac", "52:54:00:12:34")]
    [InlineData("mac", "ff:ff:ff:ff:ff:ff")]
    [InlineData("mac", "52-54-00-12-34-56")]
    [InlineData("mtu", 67)]
    [InlineData("hub", "a b")]
    [InlineData("name", "other")]
    [InlineData("tap", "tap0")]
    public void A_description_that_no_template_has_is_refused(string property, object value)
    {
        string guest = Boot(Networked(Hub()));
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t") });

        Edit(template, manifest => manifest["networks"]![0]![property] = JsonValue.Create(value));

        Assert.Equal(GuestErrorIds.TemplateManifestInvalid, Refused(new GuestOptions { Template = template.Path }));
    }

    private static GuestNetworkOptions Hub(string? segment = null) => new() { Backend = NetworkBackend.Hub, Hub = segment };

    private static GuestOptions Networked(params GuestNetworkOptions[] networks) => new() { Memory = Memory, Networks = networks };

    private static IEnumerable<string> GuestTemplates(string path) =>
        PsVm.Machine.Templates.GuestTemplates.Test(path).Errors.Select(error => error.Id);

    private string Refused(GuestOptions options) =>
        Assert.Throws<GuestException>(() => Host.Start(options, CancellationToken.None)).ErrorId;

    private static void Edit(GuestTemplate template, Action<JsonNode> change)
    {
        string path = Path.Combine(template.Path, "template.json");
        JsonNode manifest = JsonNode.Parse(File.ReadAllText(path))!;
        change(manifest);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        File.WriteAllText(path, manifest.ToJsonString());
    }
}

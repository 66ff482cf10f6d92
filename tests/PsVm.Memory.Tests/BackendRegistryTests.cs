using PsVm.Memory.Tests.Support;

namespace PsVm.Memory.Tests;

/// <summary>Ids, leases and the policy.</summary>
public sealed class BackendRegistryTests
{
    private static readonly MemoryBackendOptions Good = new() { Size = Make.Page };

    [Fact]
    public void Ids_are_unique_among_live_backends_and_generated_when_left_out()
    {
        using var backends = Make.Backends();
        var first = backends.CreateAsForetold(Good with { Id = "ram0" });
        var second = backends.Create(Good);
        Assert.NotEqual(first.Id, second.Id);
        Assert.Equal([first, second], backends.List());
        Assert.Same(first, backends.Get("ram0"));
        Assert.Equal("ram0", first.Options.Id);
        backends.CreateFails(MemoryErrorIds.DuplicateId, Good with { Id = "ram0" });

        backends.Remove("ram0");
        Assert.Equal([second], backends.List());
        Assert.Null(backends.TryGet("ram0"));
        Assert.Equal(MemoryErrorIds.BackendNotFound, Assert.Throws<MemoryBackendException>(() => backends.Get("ram0")).ErrorId);
        Assert.Equal(MemoryErrorIds.BackendNotFound, Assert.Throws<MemoryBackendException>(() => backends.Remove("ram0")).ErrorId);
        backends.Create(Good with { Id = "ram0" });
    }

    [Fact]
    public void A_failed_creation_frees_its_id()
    {
        using var backends = Make.Backends();
        backends.CreateFails(MemoryErrorIds.InvalidSize, Good with { Id = "a", Size = 0 });
        Assert.Equal("a", backends.Create(Good with { Id = "a" }).Id);
    }

    [Fact]
    public async Task Of_many_that_want_one_id_at_once_one_gets_it()
    {
        using var backends = Make.Backends();
        var errors = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(() =>
            Record.Exception(() => backends.Create(Good with { Id = "wanted" })) is MemoryBackendException e ? e.ErrorId : null)));
        Assert.Single(errors, e => e is null);
        Assert.Equal(15, errors.Count(e => e == MemoryErrorIds.DuplicateId));
    }

    [Fact]
    public void Every_guest_may_have_a_default_RAM_and_nobody_else_its_id()
    {
        using var folder = new TestFolder();
        using var backends = Make.Backends();
        backends.CreateFails(MemoryErrorIds.ReservedId, Good with { Id = "ram.default" });

        var anonymous = backends.CreateDefaultRam(new() { Size = Make.Page });
        Assert.Equal(("ram.default", BackendKind.Anonymous), (anonymous.Id, anonymous.Outcome.Kind));
        Assert.Same(anonymous, backends.Get("ram.default"));

        var ofFile = backends.CreateDefaultRam(new()
        {
            Path = folder.File("ram", Make.Page),
            Size = Make.Page,
            MachineType = "virt-1.0",
            DenyPrivateDiscard = true,
        });
        var outcome = ofFile.Outcome;
        Assert.Equal((BackendKind.File, false, FileAccessMode.Auto), (outcome.Kind, outcome.Share, outcome.RequestedMode));
        Assert.Equal((FileAccessMode.ReadOnly, "virt-1.0"), (outcome.EffectiveMode, outcome.MachineType));
        Assert.Equal(MemoryErrorIds.AmbiguousId, Assert.Throws<MemoryBackendException>(() => backends.Get("ram.default")).ErrorId);
        Assert.Null(backends.TryGet("ram.default"));
    }

    [Fact]
    public void A_backend_that_a_guest_uses_is_neither_removed_nor_shared()
    {
        using var backends = Make.Backends();
        var backend = backends.Create(Good with { Id = "a" });
        var lease = backend.Attach("web");
        foreach (var refused in new Action[] { () => backends.Remove("a"), () => backend.Attach("other") })
        {
            var error = Assert.Throws<MemoryBackendException>(refused);
            Assert.Equal(MemoryErrorIds.BackendInUse, error.ErrorId);
            Assert.Contains("guest 'web' uses it", error.Message, StringComparison.Ordinal);
        }

        lease.Dispose();
        using (backend.Attach("other"))
        {
            lease.Dispose(); // a lease that is over ends no other
            Assert.Throws<MemoryBackendException>(() => backends.Remove("a"));
        }

        backends.Remove("a");
        Assert.Throws<ObjectDisposedException>(() => backend.Discard(0, Make.Page));
        Assert.Throws<ObjectDisposedException>(backend.Measure);
        Assert.Equal(MemoryErrorIds.BackendNotFound, Assert.Throws<MemoryBackendException>(() => backend.Attach("late")).ErrorId);
        Assert.Equal(MemoryErrorIds.BackendNotFound, Assert.Throws<MemoryBackendException>(backend.CheckFree).ErrorId);
    }

    [Fact]
    public void Disposing_never_unmaps_under_a_guest()
    {
        var backends = Make.Backends();
        var backend = backends.Create(Good);
        var lease = backend.Attach("web");
        backends.Dispose();
        Assert.Empty(backends.List());
        backend.Bytes(0, Make.Page).Fill(1);
        lease.Dispose();
        Assert.Throws<ObjectDisposedException>(backend.Measure);
    }

    [Theory]
    [InlineData("1", true, "Environment")]
    [InlineData("true", true, "Environment")]
    [InlineData(" Yes\t", true, "Environment")]
    [InlineData("ON", true, "Environment")]
    [InlineData("0", false, "Default")]
    [InlineData("False", false, "Default")]
    [InlineData("no", false, "Default")]
    [InlineData("off ", false, "Default")]
    [InlineData(" ", false, "Default")]
    [InlineData("", false, "Default")]
    [InlineData(null, false, "Default")]
    public void The_policy_comes_from_the_environment_until_it_is_set(string? variable, bool deny, string source)
    {
        using var backends = new MemoryBackends(name => name == "PSVM_DENY_PRIVATE_DISCARD" ? variable : null);
        Assert.Equal((deny, source), (backends.Policy.DenyPrivateDiscard, backends.Policy.Source));
        backends.SetPolicy(!deny);
        Assert.Equal((!deny, "Cmdlet"), (backends.Policy.DenyPrivateDiscard, backends.Policy.Source));
    }

    [Fact]
    public void The_policy_holds_for_backends_that_do_not_say_themselves()
    {
        using var folder = new TestFolder();
        using var backends = Make.Backends(deny: true);
        var options = Good with { Path = folder.File("ram", Make.Page), MachineType = "virt-1.0" };
        FileAccessMode Mode(bool deny, bool allow) => backends.CreateAsForetold(
            options with { DenyPrivateDiscard = deny, AllowPrivateDiscard = allow }).Outcome.EffectiveMode;
        Assert.Equal((FileAccessMode.ReadOnly, FileAccessMode.ReadWrite), (Mode(false, false), Mode(false, true)));
        backends.SetPolicy(false);
        Assert.Equal((FileAccessMode.ReadWrite, FileAccessMode.ReadOnly), (Mode(false, false), Mode(true, false)));
    }

    [Fact]
    public void A_policy_of_the_environment_that_makes_no_sense_is_an_error()
    {
        var error = Assert.Throws<MemoryBackendException>(() => new MemoryBackends(_ => "enabled"));
        Assert.Equal((MemoryErrorIds.PolicyVariableInvalid, "enabled"), (error.ErrorId, error.Target));
        Assert.Contains("1, true, yes or on", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Ids_are_the_same_whatever_their_case()
    {
        using var backends = Make.Backends();
        var ram = backends.Create(Good with { Id = "web" });
        Assert.Same(ram, backends.Get("WEB"));
        Assert.Equal(
            MemoryErrorIds.DuplicateId, Assert.Throws<MemoryBackendException>(() => backends.Create(Good with { Id = "Web" })).ErrorId);
        Assert.Equal(
            MemoryErrorIds.ReservedId,
            Assert.Throws<MemoryBackendException>(() => backends.Create(Good with { Id = "RAM.Default" })).ErrorId);
    }

    [Fact]
    public void Warnings_name_what_is_paid_twice_and_what_others_may_change()
    {
        using var folder = new TestFolder();
        using var backends = Make.Backends();
        static IEnumerable<string> Ids(MemoryBackend backend) => backend.Outcome.Warnings.Select(w => w.Id);
        var path = folder.File("ram", Make.Page);
        var options = Good with { Path = path };
        Assert.Empty(Ids(backends.CreateAsForetold(options)));

        var shared = backends.CreateAsForetold(options with { Share = true, AllowSharedWriters = true });
        Assert.Equal([MemoryWarningIds.SharedWriters], Ids(shared));
        shared.Dispose();
        backends.List()[0].Dispose();
        shared = backends.CreateAsForetold(options with { Share = true });
        Assert.Empty(Ids(shared));
        File.CreateSymbolicLink(folder.In("link"), path);
        var link = options with { Path = folder.In("link"), AllowSharedWriters = true };
        Assert.Equal([MemoryWarningIds.SharedWriters, MemoryWarningIds.PrivateMappingOfSharedFile], Ids(backends.CreateAsForetold(link)));
        shared.Dispose();
        Assert.Empty(Ids(backends.CreateAsForetold(options)));
        backends.CreateAsForetold(options with { Share = true, ReadOnly = true });
        Assert.Empty(Ids(backends.CreateAsForetold(options)));

        Assert.Equal([MemoryWarningIds.PrivateMappingOfMemoryFile], Ids(backends.CreateAsForetold(Good with { Kind = BackendKind.Memfd })));
        Assert.Equal([MemoryWarningIds.PunchHoleChangesFile], Ids(backends.CreateAsForetold(
            options with { FileAccessMode = FileAccessMode.ReadWrite, DiscardPolicy = DiscardPolicy.PunchHole })));
        Assert.Equal([MemoryWarningIds.DiscardPolicyOverridden], Ids(backends.CreateAsForetold(
            options with { DenyPrivateDiscard = true, DiscardPolicy = DiscardPolicy.ZeroOverlay })));
    }
}

using PsVm.Machine.Tests.Templates;
using PsVm.Memory;

namespace PsVm.Machine.Tests.Guests;

/// <summary>
/// Guests with a balloon: which RAM they may have, and what is refused of a target. What a driver does: <see cref="LinuxBalloonTests"/>.
/// </summary>
public sealed class BalloonTests : TemplateTest
{
    [Fact]
    public void A_guest_with_a_balloon_is_of_the_machine_type_with_slots_and_a_clone_has_one_too()
    {
        string guest = Boot(new GuestOptions { Memory = Memory, Balloon = true });
        Assert.Equal("virt-1.4", Host.Get(guest).MachineType);
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t") });
        Assert.Equal(["balloon"], template.Slots);
        Assert.Empty(Machine.Templates.GuestTemplates.Test(template.Path).Errors);

        string clone = Clone(template);

        Assert.Equal(
            new GuestBalloon { Target = Memory },
            Host.Get(clone).Balloon);
        Host.Reset(clone);
        Assert.NotNull(Host.Get(clone).Balloon);
        Assert.Null(Host.Get(Boot(new GuestOptions { Memory = Memory })).Balloon);
        Assert.Equal(
            GuestErrorIds.TemplateSlotsMismatch, ErrorOf(() => Clone(new GuestOptions { Template = template.Path, Balloon = false })));
    }

    [Theory]
    [InlineData("file", "default RAM")]
    [InlineData("file", "backend")]
    [InlineData("policy", "default RAM")]
    [InlineData("policy", "backend")]
    [InlineData("Deny", "backend")]
    [InlineData("shared Deny", "backend")]
    [InlineData("anonymous Deny", "backend")]
    public void It_is_refused_when_the_guest_is_put_together_on_RAM_that_denies_discards(string how, string ram)
    {
        string path = At("ram");
        File.WriteAllBytes(path, new byte[Memory]);
        Backends.SetPolicy(how == "policy");
        string id = "ram.default";
        GuestOptions options = new() { Balloon = true, MemoryPath = path, Memory = Memory, DenyPrivateDiscard = how == "file" };
        if (ram == "backend")
        {
            id = "ram-of-test";
            Backends.Create(new MemoryBackendOptions
            {
                Id = id,
                Path = how == "anonymous Deny" ? null : path,
                Size = Memory,
                Share = how == "shared Deny",
                DenyPrivateDiscard = how == "file",
                DiscardPolicy = how.EndsWith("Deny", StringComparison.Ordinal) ? DiscardPolicy.Deny : DiscardPolicy.Auto,
            });
            options = new GuestOptions { Balloon = true, BackendIds = [id] };
        }

        foreach (Action start in (Action[])[() => Host.CheckStart(options), () => Host.Start(options, CancellationToken.None)])
        {
            MemoryBackendException refused = Assert.Throws<MemoryBackendException>(start);
            Assert.Equal(MemoryErrorIds.ConsumerNeedsDiscard, refused.ErrorId);
            Assert.Contains($"'{id}'", refused.Message, StringComparison.Ordinal);
            Assert.Contains("a balloon", refused.Message, StringComparison.Ordinal);
            Assert.Contains(
                how.EndsWith("Deny", StringComparison.Ordinal) ? "DiscardPolicy Deny" : "DenyPrivateDiscard",
                refused.Message,
                StringComparison.Ordinal);
        }

        Assert.Empty(Host.List());
        Host.Stop(Host.Start(options with { Balloon = null }, CancellationToken.None).Reference);
    }

    [Fact]
    public void A_clone_is_refused_under_deny_and_ROM_does_not_count()
    {
        MemoryBackend ram = Backends.Create(new MemoryBackendOptions { Id = "r", Size = Memory });
        string path = At("rom");
        File.WriteAllBytes(path, new byte[1 << 20]);
        MemoryBackend rom = Backends.Create(
            new MemoryBackendOptions
            {
                Id = "rom", Path = path, Size = 1 << 20, ReadOnly = true, Share = true, DiscardPolicy = DiscardPolicy.Deny,
            });
        string guest = Boot(new GuestOptions { BackendIds = [ram.Id, rom.Id], Balloon = true });
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t") });
        GuestOptions denied = new() { Template = template.Path, DenyPrivateDiscard = true };

        Assert.Equal(MemoryErrorIds.ConsumerNeedsDiscard, ErrorOf(() => Host.CheckStart(denied)));
        Assert.Equal(MemoryErrorIds.ConsumerNeedsDiscard, ErrorOf(() => Clone(denied)));
        Assert.Equal(
            MemoryErrorIds.ConsumerNeedsDiscard,
            ErrorOf(() => Clone(new GuestOptions { Template = template.Path, DiscardPolicy = DiscardPolicy.Deny })));
        Clone(new GuestOptions { Template = template.Path, DiscardPolicy = DiscardPolicy.RestoreTemplate });
    }

    [Fact]
    public void A_target_takes_a_balloon_with_a_driver_and_as_much_RAM()
    {
        string without = Boot(new GuestOptions { Memory = Memory });
        string deaf = Boot(new GuestOptions { Memory = Memory, Balloon = true });

        Assert.Equal(GuestErrorIds.GuestBalloonMissing, ErrorOf(() => Host.SetMemoryTarget(without, Memory - 4096)));
        Host.SetMemoryTarget(without, Memory);
        Assert.Equal(GuestErrorIds.GuestMemoryTargetInvalid, ErrorOf(() => Host.SetMemoryTarget(deaf, Memory + 1)));
        Assert.Equal(GuestErrorIds.GuestBalloonUnused, ErrorOf(() => Host.SetMemoryTarget(deaf, Memory)));
        Assert.Equal(GuestErrorIds.GuestBalloonUnused, ErrorOf(() => Host.CheckMemoryTarget(deaf, 1)));
        Host.Stop(deaf);
        Assert.Equal(GuestErrorIds.GuestStopped, Assert.Throws<GuestException>(() => Host.SetMemoryTarget(deaf, Memory)).ErrorId);
    }
}

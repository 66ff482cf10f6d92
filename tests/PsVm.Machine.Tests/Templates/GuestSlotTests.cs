using PsVm.Machine.Board;
using PsVm.Machine.Board.Slots;
using PsVm.Machine.Devices.Virtio;
using PsVm.Machine.Templates;

namespace PsVm.Machine.Tests.Templates;

/// <summary>
/// What guests are given into virtio slots: made once, there in each life, recorded by templates, and gone with the guest.
/// </summary>
public sealed class GuestSlotTests : TemplateTest
{
    private readonly List<string> _made = []; // roles, as boards made them
    private readonly OddsKind _first, _second;

    public GuestSlotTests()
    {
        (_first, _second) = (new OddsKind(_made), new OddsKind(_made));
        Host.DeviceKinds = [_first, _second];
    }

    [Fact]
    public void A_guest_that_is_given_nothing_has_what_it_had()
    {
        string guest = Boot(new GuestOptions { Memory = Memory });
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t") });

        Assert.Equal("virt-1.1", Host.Get(guest).MachineType);
        Assert.Equal((2, 0), (template.FormatVersion, template.Slots.Count));
        Assert.DoesNotContain(
            "slots", File.ReadAllText(Path.Combine(template.Path, TemplateSource.ManifestFile)), StringComparison.Ordinal);
    }

    [Fact]
    public void Devices_are_in_slots_from_the_first_one_up_and_in_each_life_of_the_guest()
    {
        (_first.Asked, _second.Asked) = (["a", "b"], ["c"]);
        string guest = Boot(new GuestOptions { Memory = Memory });
        Assert.Equal("virt-1.4", Host.Get(guest).MachineType);
        Assert.Equal(["a", "b", "c"], _made);

        Host.Stop(guest);
        Host.StartAgain(guest, CancellationToken.None);

        Assert.Equal(["a", "b"], _first.Opened.Select(device => device.Role));
        Assert.Equal(["a", "b", "c", "a", "b", "c"], _made);
        Host.Stop(guest);
        Assert.All(_first.Opened, device => Assert.False(device.IsGone));
        Host.Remove(guest);
        Assert.All([.. _first.Opened, .. _second.Opened], device => Assert.True(device.IsGone));
    }

    [Fact]
    public void A_clone_has_the_devices_of_its_template_in_the_same_slots_and_has_them_still_after_a_reset()
    {
        (_first.Asked, _second.Asked) = (["a"], ["c"]);
        GuestTemplate template = Make(Boot(new GuestOptions { Memory = Memory }), new CheckpointOptions { Path = At("t") });
        Assert.Equal((3, "a, c"), (template.FormatVersion, string.Join(", ", template.Slots)));
        Assert.Equal(template.Slots, GuestTemplates.Read(template.Path).Slots);
        Host.DeviceKinds = [_second, _first];
        _made.Clear();

        string clone = Clone(template);
        Host.Reset(clone);
        string again = Clone(Make(clone, new CheckpointOptions { Path = At("u"), Differential = true }));

        Assert.Equal(["a", "c", "a", "c", "a", "c"], _made);
        Assert.Equal(3, _first.Opened.Count);
        Ask(again, "touch 3", "touch: ");
    }

    [Theory]
    [InlineData("", "none")]
    [InlineData("a", "a")]
    [InlineData("a c d", "a, c, d")]
    [InlineData("a d", "a, d")]
    public void A_clone_with_other_devices_is_refused(string asked, string told)
    {
        _first.Asked = ["a", "c"];
        GuestTemplate template = Make(Boot(new GuestOptions { Memory = Memory }), new CheckpointOptions { Path = At("t") });
        _first.Asked = asked.Split(' ', StringSplitOptions.RemoveEmptyEntries);

        GuestException refused = Assert.Throws<GuestException>(() => Clone(template));

        Assert.Equal(GuestErrorIds.TemplateSlotsMismatch, refused.ErrorId);
        Assert.Contains($"(a, c), found {told}", refused.Message, StringComparison.Ordinal);
        Assert.Single(Host.List());
    }

    [Fact]
    public void A_template_with_a_role_that_is_not_known_is_told()
    {
        _first.Asked = ["a"];
        GuestTemplate template = Make(Boot(new GuestOptions { Memory = Memory }), new CheckpointOptions { Path = At("t") });

        TemplateError error = Assert.Single(GuestTemplates.Test(template.Path).Errors.DistinctBy(error => error.Id));

        Assert.Equal(GuestErrorIds.TemplateSlotsMismatch, error.Id);
        Assert.Contains("'a'", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("virt-1.2", 1, "Leave out MachineType")]
    [InlineData("virt-1.3", 8, "Leave some out")]
    public void More_devices_than_slots_are_refused(string machineType, int count, string action)
    {
        _first.Asked = [.. Enumerable.Range(0, count).Select(number => $"d{number}")];

        GuestException refused = Assert.Throws<GuestException>(() => Boot(new GuestOptions { Memory = Memory, MachineType = machineType }));

        Assert.Equal(GuestErrorIds.GuestSlotsMissing, refused.ErrorId);
        Assert.Contains(action, refused.RecommendedAction, StringComparison.Ordinal);
        Assert.Empty(_first.Opened);
    }

    [Fact]
    public void Nothing_stays_open_of_a_guest_that_is_not_put_together()
    {
        (_first.Asked, _second.Asked) = (["a", "b"], ["c"]);
        _second.Refuses = true;

        Assert.Throws<GuestException>(() => Boot(new GuestOptions { Memory = Memory }));

        Assert.Equal(2, _first.Opened.Count);
        Assert.All([.. _first.Opened, .. _second.Opened], device => Assert.True(device.IsGone));
    }

    [Fact]
    public void A_device_can_refuse_a_template()
    {
        _first.Asked = ["a"];
        string guest = Boot(new GuestOptions { Memory = Memory });
        _first.Refuses = true;

        Assert.Throws<GuestException>(() => Make(guest, new CheckpointOptions { Path = At("t") }));
        Assert.Throws<GuestException>(() => Host.CheckCheckpoint(guest, new CheckpointOptions { Path = At("t") }));

        Assert.False(Directory.Exists(At("t")));
    }

    /// <summary>A kind that tests say what is asked of: random numbers.</summary>
    private sealed class OddsKind(List<string> made) : IGuestDeviceKind
    {
        public string[] Asked { get; set; } = [];

        public bool Refuses { get; set; }

        public List<Odds> Opened { get; } = [];

        public List<string> Made => made;

        public IEnumerable<GuestDevicePlan> Plan(GuestOptions options, GuestTemplate? template) =>
            Asked.Select(role => new GuestDevicePlan(role, _ => Open(role)));

        public Func<VirtioPort, IVirtioDevice>? Show(string role, GuestTemplate template) => null;

        private Odds Open(string role)
        {
            if (Refuses)
            {
                throw new GuestException("Refused", "Expected nothing.", role);
            }

            Opened.Add(new Odds(this, role));
            return Opened[^1];
        }
    }

    private sealed class Odds(OddsKind kind, string role) : IGuestDevice
    {
        public string Role => role;

        public bool IsGone { get; private set; }

        public void CheckCheckpoint(string guest, bool detach) => Check();

        public IVirtioDevice Create(VirtioPort port, GuestRam ram)
        {
            kind.Made.Add(role);
            return new VirtioRng(port);
        }

        public void Dispose()
        {
            Assert.False(IsGone);
            IsGone = true;
        }

        private void Check()
        {
            if (kind.Refuses)
            {
                throw new GuestException("Refused", "Expected nothing.", role);
            }
        }
    }
}

using PsVm.Machine.Board.Slots;
using PsVm.Machine.Devices.Disks;
using PsVm.Machine.Devices.Virtio;
using PsVm.Machine.Tests.Templates.Travel;

namespace PsVm.Machine.Tests.Templates;

/// <summary>Guests with a disk that the test writes in the place of a driver, and templates of them.</summary>
public abstract class TemplateDiskTest : TravelTest
{
    protected const int MiB = 1 << 20, Block = 4096;

    protected const int Size = (96 * MiB) + 512; // the last block is a part of one

    private readonly SeenDisks _seen = new();

    protected TemplateDiskTest()
    {
        Host.DeviceKinds = [_seen, .. SlotPlan.Kinds.Where(kind => kind is not DiskKind)];
        byte[] image = Pattern(2 * MiB, seed: 1);
        using FileStream file = File.Create(Image);
        file.Write(image);
        file.SetLength(Size);
    }

    protected string Image => At("image");

    /// <summary>The disk of the guest that was put together last.</summary>
    private protected Disk Last => _seen.Disks[^1];

    protected static byte[] Pattern(int length, int seed)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    protected string BootDisked(DiskOverlay overlay = DiskOverlay.Memory, string name = "guest") =>
        Boot(new GuestOptions { Memory = Memory, Disks = [Over(overlay, name)] });

    protected GuestOptions Cloned(GuestTemplate template) =>
        new() { Template = template.Path, Disks = [new GuestDiskOptions { Path = Image }] };

    private protected (string Guest, Disk Disk) CloneDisk(GuestTemplate template)
    {
        string guest = Clone(Cloned(template));
        return (guest, Last);
    }

    private protected static void Write(Disk disk, byte[] expected, int offset, byte[] bytes)
    {
        Assert.True(disk.TryWrite(offset, bytes));
        bytes.CopyTo(expected, offset);
    }

    private protected static void AssertReads(byte[] expected, Disk disk)
    {
        byte[] bytes = new byte[expected.Length];
        Assert.True(disk.TryRead(0, bytes));
        Assert.True(expected.AsSpan().SequenceEqual(bytes), $"differs at {expected.AsSpan().CommonPrefixLength(bytes)}");
    }

    protected byte[] ImageBytes() => File.ReadAllBytes(Image);

    private GuestDiskOptions Over(DiskOverlay overlay, string name) =>
        new() { Path = Image, Overlay = overlay, OverlayPath = overlay == DiskOverlay.File ? At($"{name}.overlay") : null };

    /// <summary>Disks as they are, which are noted when they are made.</summary>
    private sealed class SeenDisks : IGuestDeviceKind
    {
        private readonly DiskKind _kind = new();

        public List<Disk> Disks { get; } = [];

        public IEnumerable<GuestDevicePlan> Plan(GuestOptions options, GuestTemplate? template) =>
            _kind.Plan(options, template).Select(plan => plan with
        {
            Open = host =>
            {
                DiskInSlot made = (DiskInSlot)plan.Open(host);
                Disks.Add(made.Disk);
                return made;
            },
        });

        public Func<VirtioPort, IVirtioDevice>? Show(string role, GuestTemplate template) => _kind.Show(role, template);
    }
}

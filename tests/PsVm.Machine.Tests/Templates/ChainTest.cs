using PsVm.Machine.Tests.Support;
using PsVm.Memory;

namespace PsVm.Machine.Tests.Templates;

/// <summary>Guests that do nothing, whose RAM the test writes: chains of templates of which each byte is known.</summary>
public abstract class ChainTest : TemplateTest
{
    protected const int Page = 4096;
    protected const int Pages = (int)(Memory / Page);

    /// <summary>A template of a guest that does nothing, with a byte of its own at the start of each page.</summary>
    protected GuestTemplate MakeIdle(string name, byte[] expected)
    {
        if (!File.Exists(At("kernel")))
        {
            File.WriteAllBytes(At("kernel"), GuestProgram.Wait);
        }

        string guest = Clone(new GuestOptions { Kernel = At("kernel"), Memory = Memory });
        Host.Suspend(guest);
        MemoryBackend ram = Backends.List().Single(backend => backend.Info.Guest == guest);
        for (int page = 32; page < 200; page++)
        {
            Write(ram, expected, page, 100);
        }

        FirstBytes(ram).CopyTo(expected, 0);
        GuestTemplate made = Make(guest, new CheckpointOptions { Path = At(name) });
        End(guest);
        return made;
    }

    /// <summary>A differential template of a clone that wrote to some pages.</summary>
    protected GuestTemplate Next(GuestTemplate below, string name, byte[] expected, Func<int, bool> isWritten, byte value)
    {
        MemoryBackend ram = StartSuspended(below);
        foreach (int page in Enumerable.Range(0, Pages).Where(isWritten))
        {
            Write(ram, expected, page, value);
        }

        GuestTemplate made = Make(NameOf(ram), new CheckpointOptions { Path = At(name), Differential = true });
        End(NameOf(ram));
        return made;
    }

    protected MemoryBackend StartSuspended(GuestTemplate template)
    {
        string clone = Clone(template);
        Host.Suspend(clone);
        return Backends.List().Single(backend => backend.Info.Guest == clone);
    }

    protected static string NameOf(MemoryBackend ram) => ram.Info.Guest!;

    // Safety: the page lies inside the backend, whose guest is suspended.
    protected static unsafe void Write(MemoryBackend ram, byte[] expected, int page, byte value)
    {
        Assert.InRange(page, 0, Pages - 1);
        ((byte*)ram.Address)[(long)page * Page] = value;
        expected[page] = value;
    }

    /// <summary>The first byte of each page.</summary>
    protected static unsafe byte[] FirstBytes(MemoryBackend ram)
    {
        byte[] bytes = new byte[Pages];
        for (int page = 0; page < Pages; page++)
        {
            bytes[page] = ((byte*)ram.Address)[(long)page * Page]; // Safety: inside the backend, which lives
        }

        return bytes;
    }
}

namespace PsVm;

/// <summary>What an operator asks of a guest. Sizes are bytes.</summary>
public sealed record GuestOptions
{
    /// <summary>Unique among guests; null: generated.</summary>
    public string? Name { get; init; }

    /// <summary>Ids of live backends that make up the RAM, in address order from 0x80000000; empty: see <see cref="MemoryPath"/>.</summary>
    public IReadOnlyList<string> BackendIds { get; init; } = [];

    /// <summary>The default RAM (<c>ram.default</c>) as a private mapping of this file; null: anonymous memory.</summary>
    public string? MemoryPath { get; init; }

    /// <summary>Size of the default RAM; 0: 128 MiB.</summary>
    public long Memory { get; init; }

    /// <summary>Flat Linux Image or ELF; null and no <see cref="Firmware"/>: the embedded guest.</summary>
    public string? Kernel { get; init; }

    /// <summary>Initial RAM disk.</summary>
    public string? Initrd { get; init; }

    /// <summary>ELF or flat machine-mode firmware; null: the built-in SBI.</summary>
    public string? Firmware { get; init; }

    /// <summary>The kernel's command line.</summary>
    public string? CommandLine { get; init; }

    /// <summary>Number of harts.</summary>
    public int Harts { get; init; } = 1;

    /// <summary><c>virt</c>, <c>virt-1.0</c> or <c>virt-1.1</c>.</summary>
    public string MachineType { get; init; } = "virt";

    /// <summary>Overrides the process policy for the default RAM; null: the policy decides.</summary>
    public bool? DenyPrivateDiscard { get; init; }
}

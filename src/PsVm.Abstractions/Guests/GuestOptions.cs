namespace PsVm;

/// <summary>What an operator asks of a guest. Sizes are bytes.</summary>
public sealed record GuestOptions
{
    /// <summary>Unique among guests; null: generated.</summary>
    public string? Name { get; init; }

    /// <summary>Live backends that make up the RAM, in address order from 0x80000000; empty: see <see cref="MemoryPath"/>.</summary>
    public IReadOnlyList<BackendReference> BackendIds { get; init; } = [];

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

    /// <summary>Number of harts; null: one, or the template's.</summary>
    public int? Harts { get; init; }

    /// <summary><c>virt</c>, <c>virt-1.0</c>, <c>virt-1.1</c> or <c>virt-1.2</c>; null: <c>virt</c>, or the template's.</summary>
    public string? MachineType { get; init; }

    /// <inheritdoc cref="MemoryBackendOptions.DenyPrivateDiscard"/>
    /// <remarks>It is about the default RAM and a clone's.</remarks>
    public bool DenyPrivateDiscard { get; init; }

    /// <inheritdoc cref="MemoryBackendOptions.AllowPrivateDiscard"/>
    /// <remarks>It is about the default RAM and a clone's.</remarks>
    public bool AllowPrivateDiscard { get; init; }

    /// <summary>Folder of a template: the guest goes on where that one was checkpointed. It excludes all that boots.</summary>
    /// <remarks>
    /// Its RAM is private mappings of the template's files. <see cref="MemoryPath"/> then names another copy of its only RAM file, which
    /// takes <see cref="Verify"/>; <see cref="Memory"/> and <see cref="Harts"/>, when given, must be the template's.
    /// </remarks>
    public string? Template { get; init; }

    /// <summary>Compare the SHA-256 of the template's RAM files, which reads all of them; equal content counts, whichever file it is in.</summary>
    public bool Verify { get; init; }

    /// <summary>The guest is the one that was checkpointed, restored: same UUID and generation id, no fresh seeds.</summary>
    public bool KeepIdentity { get; init; }

    /// <summary>How the template's RAM files are opened.</summary>
    public FileAccessMode FileAccessMode { get; init; }

    /// <summary>What discards of a clone's RAM do; PunchHole is refused, since it would write to the template.</summary>
    public DiscardPolicy DiscardPolicy { get; init; }
}

namespace PsVm.Module.Output;

/// <summary>Ids of the errors and warnings that cmdlets find themselves. Stable: scripts may test for them.</summary>
internal static class ModuleErrorIds
{
    /// <summary>A path is of another provider than the file system.</summary>
    public const string PathNotFileSystem = nameof(PathNotFileSystem);

    /// <summary>The guest ended before what was waited for came.</summary>
    public const string GuestStoppedFirst = nameof(GuestStoppedFirst);

    /// <summary>The time ran out before what was waited for came.</summary>
    public const string GuestWaitTimeout = nameof(GuestWaitTimeout);

    /// <summary>Warning: the console's bounded buffer no longer holds all that was asked for.</summary>
    public const string ConsoleTextLost = nameof(ConsoleTextLost);

    /// <summary>Several guests would have one name.</summary>
    public const string GuestNamesConflict = nameof(GuestNamesConflict);

    /// <summary>Several guests would become a template at one path.</summary>
    public const string CheckpointPathRepeated = nameof(CheckpointPathRepeated);

    /// <summary>Warning: checkpoints that were cut short left folders beside the templates that are listed.</summary>
    public const string TemplateLeftovers = nameof(TemplateLeftovers);

    /// <summary>The format of the names of guests cannot be used.</summary>
    public const string NameFormatInvalid = nameof(NameFormatInvalid);
}

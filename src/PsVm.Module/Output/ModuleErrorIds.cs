namespace PsVm.Module.Output;

/// <summary>Ids of the errors and warnings that cmdlets find themselves. Stable: scripts may test for them.</summary>
internal static class ModuleErrorIds
{
    /// <summary>A path is of another provider than the file system.</summary>
    public const string PathNotFileSystem = nameof(PathNotFileSystem);

    /// <summary>No file system has such a path.</summary>
    public const string PathInvalid = nameof(PathInvalid);

    /// <summary>The guest ended before what was waited for came.</summary>
    public const string GuestStoppedFirst = nameof(GuestStoppedFirst);

    /// <summary>The time ran out before what was waited for came.</summary>
    public const string GuestWaitTimeout = nameof(GuestWaitTimeout);

    /// <summary>The guest was asked to power off, and did not in time.</summary>
    public const string GuestDidNotStop = nameof(GuestDidNotStop);

    /// <summary>Warning: the console's bounded buffer no longer holds all that was asked for.</summary>
    public const string ConsoleTextLost = nameof(ConsoleTextLost);

    /// <summary>A warning: a guest whose console is followed was reset.</summary>
    public const string ConsoleCut = nameof(ConsoleCut);

    /// <summary>A terminal session without a terminal.</summary>
    public const string ConsoleNotTerminal = nameof(ConsoleNotTerminal);

    /// <summary>What is waited for was not said.</summary>
    public const string PatternMissing = nameof(PatternMissing);

    /// <summary>The module is not removed while guests run.</summary>
    public const string GuestsRunning = nameof(GuestsRunning);

    /// <summary>Warning: guests ended with the module, or with the process.</summary>
    public const string GuestsEnded = nameof(GuestsEnded);

    /// <summary>Several guests would have one name.</summary>
    public const string GuestNamesConflict = nameof(GuestNamesConflict);

    /// <summary>Several guests would become a template at one path.</summary>
    public const string CheckpointPathRepeated = nameof(CheckpointPathRepeated);

    /// <summary>Several templates would be merged to one destination.</summary>
    public const string DestinationRepeated = nameof(DestinationRepeated);

    /// <summary>Warning: checkpoints that were cut short left folders beside the templates that are listed.</summary>
    public const string TemplateLeftovers = nameof(TemplateLeftovers);

    /// <summary>The format of the names of guests cannot be used.</summary>
    public const string NameFormatInvalid = nameof(NameFormatInvalid);

    /// <summary>A file is there that should not be replaced.</summary>
    public const string FileExists = nameof(FileExists);

    /// <summary>A file's name ends as one of another kind does.</summary>
    public const string FileExtensionInvalid = nameof(FileExtensionInvalid);

    /// <summary>A file cannot be read.</summary>
    public const string FileReadFailed = nameof(FileReadFailed);

    /// <summary>A command in a guest did not end with 0, and should have.</summary>
    public const string GuestCommandFailed = nameof(GuestCommandFailed);

    /// <summary>What is to be copied between host and guest is not of one and for the other.</summary>
    public const string CopyPathInvalid = nameof(CopyPathInvalid);

    /// <summary>A file cannot be written.</summary>
    public const string FileWriteFailed = nameof(FileWriteFailed);

    /// <summary>The cells of a map of RAM are no whole pages.</summary>
    public const string CellSizeInvalid = nameof(CellSizeInvalid);

    /// <summary>Guests came through the pipeline, and others by name.</summary>
    public const string GuestGivenTwice = nameof(GuestGivenTwice);

    /// <summary>Templates, or archives of some, came through the pipeline, and others by path.</summary>
    public const string TemplateGivenTwice = nameof(TemplateGivenTwice);

    /// <summary>Several templates would come to one place.</summary>
    public const string TemplatePathRepeated = nameof(TemplatePathRepeated);

    /// <summary>Warning: templates do not find any more what they are made on, which was moved or replaced; told once.</summary>
    public const string TemplateParentGone = nameof(TemplateParentGone);

    /// <summary>Memory backends came through the pipeline, and others by id.</summary>
    public const string BackendGivenTwice = nameof(BackendGivenTwice);

    /// <summary>A parameter that the cmdlet cannot do without was not given.</summary>
    public const string ArgumentMissing = nameof(ArgumentMissing);

    /// <summary>What was piped into Start-Guest is nothing that a guest could start from.</summary>
    public const string StartInputInvalid = nameof(StartInputInvalid);

    /// <summary>What was given alone could be a new guest's name, and is that of a template.</summary>
    public const string NameOfTemplate = nameof(NameOfTemplate);

    /// <summary>A parameter that only clones of a template have, without a template.</summary>
    public const string TemplateNotGiven = nameof(TemplateNotGiven);

    /// <summary>An object in the pipeline is of no type that the cmdlet converts.</summary>
    public const string InputNotConvertible = nameof(InputNotConvertible);

    /// <summary>Work in the background met a failure that nobody foresaw.</summary>
    public const string JobFailed = nameof(JobFailed);

    /// <summary>Lines cannot be appended to what -LogPath names.</summary>
    public const string LogPathInvalid = nameof(LogPathInvalid);

    /// <summary>Warning: lines of a log are lost; told once.</summary>
    public const string LogWriteFailed = nameof(LogWriteFailed);
}

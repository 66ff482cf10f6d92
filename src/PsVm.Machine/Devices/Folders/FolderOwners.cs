namespace PsVm.Machine.Devices.Folders;

/// <summary>Whose a guest sees that files are. Whatever it says, files belong to who runs this process when the guest makes them.</summary>
internal enum FolderOwners
{
    /// <summary>All are the guest's root's. To give one to anybody else is refused.</summary>
    Root,

    /// <summary>The host's numbers, and the guest gives files to others where this process may.</summary>
    Host,
}

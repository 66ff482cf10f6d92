namespace PsVm.Machine;

/// <summary>Templates on disk: reads, tests, lists and removes them. Making them and starting from them is <see cref="IGuestHost"/>'s.</summary>
public static class GuestTemplates
{
    /// <summary>Reads a template's description.</summary>
    /// <param name="path">Its folder.</param>
    /// <exception cref="GuestException">There is none, or it is not what the format says.</exception>
    public static GuestTemplate Read(string path) => throw new NotImplementedException("being written");

    /// <summary>Finds out whether guests can start from a template, without starting one.</summary>
    /// <param name="path">Its folder.</param>
    /// <param name="verify">Compare the SHA-256 of its RAM files, which reads all of them.</param>
    /// <param name="cancellation">Gives up.</param>
    public static TemplateReport Test(string path, bool verify = false, CancellationToken cancellation = default) =>
        throw new NotImplementedException("being written");

    /// <summary>Templates in a folder, by name; what cannot be read is left out.</summary>
    /// <param name="folder">The folder.</param>
    public static IReadOnlyList<GuestTemplate> List(string folder) => throw new NotImplementedException("being written");

    /// <summary>Removes a template, but not RAM files that it only took over. Guests that run from it go on.</summary>
    /// <param name="path">Its folder.</param>
    /// <exception cref="GuestException">There is none, or it cannot be removed.</exception>
    public static void Remove(string path) => throw new NotImplementedException("being written");
}

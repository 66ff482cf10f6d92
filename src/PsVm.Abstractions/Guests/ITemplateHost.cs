namespace PsVm;

/// <summary>
/// Reads, tests, copies, moves, packs and removes templates; <see cref="IGuestHost.Checkpoint"/> makes them. Paths are those of the host.
/// </summary>
public interface ITemplateHost
{
    /// <summary>What a template says about itself.</summary>
    /// <exception cref="GuestException">There is none at the path, or it cannot be read.</exception>
    GuestTemplate Read(string path, CancellationToken cancellation = default);

    /// <summary>
    /// The templates in a folder, by name, also damaged ones: a report without <see cref="TemplateReport.Template"/> says what is wrong.
    /// Only descriptions are read; <see cref="Test"/> looks closer.
    /// </summary>
    /// <exception cref="GuestException">The folder cannot be read.</exception>
    IReadOnlyList<TemplateReport> List(string folder, CancellationToken cancellation = default);

    /// <summary>Whether there is a template at a path, or one that was damaged; not, whether guests can start from it.</summary>
    bool Exists(string path);

    /// <summary>
    /// Paths of what checkpoints that were cut short left in a folder, by name. The next checkpoint to there removes them.
    /// </summary>
    IReadOnlyList<string> Leftovers(string folder, CancellationToken cancellation = default);

    /// <summary>Whether guests can start from a template, and if not, why.</summary>
    /// <param name="path">Its folder.</param>
    /// <param name="verify">Compute the digests of the RAM files, which reads all of them.</param>
    /// <param name="searchPath">Folders in which the templates that it needs are looked for too; null: none.</param>
    /// <param name="cancellation">Gives up.</param>
    TemplateReport Test(string path, bool verify, IReadOnlyList<string>? searchPath = null, CancellationToken cancellation = default);

    /// <summary>
    /// Merges a differential template with those that it needs into one, which has its id and its state: guests that start from it are the
    /// same, and templates that are made on it go on to work. Guests that run are not concerned.
    /// </summary>
    /// <param name="path">Its folder.</param>
    /// <param name="options">What is asked for.</param>
    /// <param name="progress">Told of what is written; null: no one asks. Called on any thread, by one at a time.</param>
    /// <param name="cancellation">Gives up; all templates are as they were.</param>
    /// <returns>The merged template; one that stands alone already stays as it is when it is to keep its place.</returns>
    /// <exception cref="GuestException">It cannot be; all templates are as they were.</exception>
    GuestTemplate Compress(
        string path, CompressOptions options, IProgress<StepProgress>? progress = null, CancellationToken cancellation = default);

    /// <summary>Finds out what <see cref="Compress"/> would merge; nothing changes.</summary>
    /// <returns>The templates that would become one, the uppermost first.</returns>
    /// <exception cref="GuestException">It would fail.</exception>
    IReadOnlyList<GuestTemplate> CheckCompress(string path, CompressOptions options);

    /// <summary>The templates in a folder as a forest: each after the one that it is made on, with what it takes on the disk.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GuestException">The folder cannot be read.</exception>
    IReadOnlyList<TemplateNode> Tree(string folder, CancellationToken cancellation = default);

    /// <summary>
    /// Templates beside one that are made on it, and those that are made on them, and so on: each before the one that it is made on.
    /// </summary>
    /// <remarks>Templates elsewhere that are made on it are not known.</remarks>
    /// <param name="path">Its folder.</param>
    /// <param name="cancellation">Gives up.</param>
    IReadOnlyList<GuestTemplate> Needing(string path, CancellationToken cancellation = default);

    /// <summary>Finds out whether a template could be removed; nothing changes.</summary>
    /// <exception cref="GuestException">There is none at the path, or its folder holds something else, too.</exception>
    void CheckRemove(string path);

    /// <summary>Removes a template from disk, a damaged one too: a folder that holds files of a template and nothing else.</summary>
    /// <exception cref="GuestException">There is none at the path, or it cannot be removed.</exception>
    void Remove(string path, CancellationToken cancellation = default);

    /// <summary>Puts a template, and those it needs, into one file.</summary>
    /// <param name="path">Its folder.</param>
    /// <param name="options">What is asked for.</param>
    /// <param name="progress">Told of bytes of RAM that are stored; null: no one asks. Called on any thread, by one at a time.</param>
    /// <param name="cancellation">Gives up and leaves no archive.</param>
    /// <exception cref="GuestException">There is no archive, or still the file that was there.</exception>
    TemplateArchive Export(string path, TemplateExportOptions options, IProgress<StepProgress>? progress, CancellationToken cancellation);

    /// <summary>Finds out what would be wrong with an export, as far as that can be known without writing anything.</summary>
    /// <returns>The path that the archive would have.</returns>
    /// <exception cref="GuestException">There could be none.</exception>
    string CheckExport(string path, TemplateExportOptions options);

    /// <summary>Makes the templates of an archive in a folder: all that are not there by their ids, or none.</summary>
    /// <param name="archive">Path of the archive.</param>
    /// <param name="options">What is asked for.</param>
    /// <param name="progress">Told of bytes of RAM that are written; null: no one asks. Called on any thread, by one at a time.</param>
    /// <param name="cancellation">Gives up and leaves nothing.</param>
    /// <returns>The template that was exported.</returns>
    /// <exception cref="GuestException">There is no new template, and what was there still is.</exception>
    GuestTemplate Import(string archive, TemplateImportOptions options, IProgress<StepProgress>? progress, CancellationToken cancellation);

    /// <summary>Finds out what would be wrong with an import, as far as that can be known by the beginning of the archive.</summary>
    /// <returns>What is in the archive.</returns>
    /// <exception cref="GuestException">There is no such archive, or its templates could not come there.</exception>
    TemplateArchive CheckImport(string archive, TemplateImportOptions options);

    /// <summary>Copies a template, RAM files that it took over included: the copy needs none of them.</summary>
    /// <param name="path">Its folder.</param>
    /// <param name="options">What is asked for.</param>
    /// <param name="progress">Told of bytes of RAM that are done with; null: no one asks. Called on any thread, by one at a time.</param>
    /// <param name="cancellation">Gives up and leaves no copy.</param>
    /// <returns>The copy, which has the template's id: it says the same.</returns>
    /// <exception cref="GuestException">There is no copy, or still what was there.</exception>
    GuestTemplate Copy(string path, TemplateCopyOptions options, IProgress<StepProgress>? progress, CancellationToken cancellation);

    /// <summary>Finds out what would be wrong with a copy, as far as that can be known without writing anything.</summary>
    /// <returns>The path that the copy would have.</returns>
    /// <exception cref="GuestException">There could be none.</exception>
    string CheckCopy(string path, TemplateCopyOptions options);

    /// <summary>
    /// Moves a template: it gets another name, or, on another file system, is copied, compared and removed. Guests that run from it go on.
    /// </summary>
    /// <param name="path">Its folder.</param>
    /// <param name="options">What is asked for.</param>
    /// <param name="progress">Told of bytes of RAM that are done with; null: no one asks. Called on any thread, by one at a time.</param>
    /// <param name="cancellation">Gives up; the template is where it was.</param>
    /// <returns>The template where it is now.</returns>
    /// <exception cref="GuestException">The template is where it was; when only that could not be removed, the error says so.</exception>
    GuestTemplate Move(string path, TemplateCopyOptions options, IProgress<StepProgress>? progress, CancellationToken cancellation);

    /// <summary>Finds out what would be wrong with a move, as far as that can be known without doing it.</summary>
    /// <returns>The path that the template would have.</returns>
    /// <exception cref="GuestException">It could not be moved.</exception>
    string CheckMove(string path, TemplateCopyOptions options);
}

using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Qemu;

/// <summary>Reads the memory backends in QEMU's arguments, as options for New-MemoryBackend and Test-BackendOptions.</summary>
[Cmdlet(VerbsData.ConvertFrom, "QemuArgument")]
[OutputType(typeof(MemoryBackendOptions))]
public sealed class ConvertFromQemuArgumentCommand : PsVmCmdlet
{
    private readonly List<string> _arguments = [];

    /// <summary>A command line, its arguments, or what stands behind -object.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [AllowEmptyString]
    [Alias("Arguments")]
    [ArgumentCompleter(typeof(NothingCompleter))]
    public string[] Argument { get; set; } = [];

    internal static void Run(IReadOnlyList<string> arguments, ICmdletOutput output, CancellationToken cancellation)
    {
        QemuBackendTexts found = QemuBackendReader.Find(arguments);
        CmdletWorks.ForEach(
            found.Texts, output, text => output.WriteObject(QemuBackendReader.Read(text, found.Merge, found.Dump)), cancellation);
    }

    // Arguments may come one by one, and an option's value is the next of them.
    private protected override CmdletWork? Bind()
    {
        _arguments.AddRange(Argument);
        return null;
    }

    private protected override CmdletWork? BindEnd() =>
        _arguments.Count == 0 ? null : (output, cancellation) => Run(_arguments, output, cancellation);
}

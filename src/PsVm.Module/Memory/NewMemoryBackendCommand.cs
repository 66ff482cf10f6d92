using System.Management.Automation;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Memory;

/// <summary>Opens, creates and maps guest RAM.</summary>
[Cmdlet(VerbsCommon.New, "MemoryBackend", SupportsShouldProcess = true, DefaultParameterSetName = "Parameters")]
[OutputType(typeof(MemoryBackendInfo))]
public sealed class NewMemoryBackendCommand : BackendOptionsCmdlet
{
    internal static void Run(MemoryBackendOptions options, IMemoryHost host, ICmdletOutput output, CancellationToken cancellation)
    {
        if (!output.ShouldProcess(() => Describe(host.Test(options, cancellation))))
        {
            return;
        }

        LatestStep step = new();
        using ProgressTicker progress = new(output, elapsed => step.At($"Mapping {ByteSize.ToText(options.Size)} of guest RAM", elapsed));
        MemoryBackendInfo backend = host.Create(options, step, cancellation);
        output.WriteWarnings(backend.Outcome.Warnings);
        output.WriteObject(backend);
    }

    private protected override CmdletWork Bind()
    {
        MemoryBackendOptions options = BindOptions();
        return (output, cancellation) => Run(options, ModuleServices.Memory, output, cancellation);
    }

    // What -WhatIf shows: the decision and its reason, or why there would be none.
    private static string Describe(BackendReport report)
    {
        string what = $"{ByteSize.ToText(report.Size)} of {(report.Path is null ? $"{report.Kind} memory" : $"'{report.Path}'")}";
        if (!report.IsValid)
        {
            return $"Refuse to map {what}: {string.Join("; ", report.Errors)}";
        }

        string create = report.WouldCreate ? "Create the file and map" : "Map";
        string share = report.Share ? "shared" : "private";
        return report.Path is null
            ? $"{create} {what}, {share}"
            : $"{create} {what}, {share}, the file {report.EffectiveMode}: {report.Reason}";
    }
}

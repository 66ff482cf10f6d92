using System.Management.Automation;
using PsVm.Module.Completion;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Guests;

/// <summary>The base of cmdlets that act on guests with one more thing to say, such as a path or a text.</summary>
public abstract class GuestAndArgumentCmdlet : PsVmCmdlet
{
    /// <summary>
    /// Guests: names, patterns with *, ? and [ ], or objects. When guests are piped in, the first position is the argument's.
    /// </summary>
    [Parameter(Position = 0)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [GuestIdentity]
    [ArgumentCompleter(typeof(GuestNameCompleter))]
    public GuestReference[] Name { get; set; } = [];

    /// <summary>Guests from the pipeline: objects, names or patterns; an object means the very guest, whoever has its name now.</summary>
    [Parameter(ValueFromPipeline = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [GuestIdentity]
    public GuestReference[] InputObject { get; set; } = [];

    /// <summary>Name of the parameter that the argument has.</summary>
    private protected abstract string ArgumentName { get; }

    /// <summary>The cmdlet can do without the argument.</summary>
    private protected virtual bool IsArgumentOptional => false;

    /// <summary>Guests and argument of this input item.</summary>
    /// <param name="argument">What the argument's parameter holds; empty when it was not given.</param>
    /// <exception cref="CmdletException">Guests or argument are missing, or both pipeline and command line name guests.</exception>
    private protected (GuestReference[] Guests, string[] Argument) Bind(params string[] argument) => new PipedArgument<GuestReference>
    {
        Cmdlet = MyInvocation.MyCommand.Name,
        Thing = "a guest",
        ThingName = nameof(Name),
        IsNamed = IsOnCommandLine(nameof(Name)),
        Named = Name,
        Piped = InputObject,
        Text = guest => guest.Name,
        ArgumentName = ArgumentName,
        IsGiven = IsGiven(ArgumentName),
        Argument = argument,
        IsOptional = IsArgumentOptional,
        TwiceId = ModuleErrorIds.GuestGivenTwice,
    }.Bind();
}

namespace PsVm;

/// <summary>Which guests of a host may run code that was decoded and translated for another.</summary>
public enum CodeSharing
{
    /// <summary>Clones of one template, and the guest that it was made of. Else a guest that boots shares with nobody.</summary>
    Template,

    /// <summary>All guests of the host, wherever their pages hold the same instructions.</summary>
    Host,
}

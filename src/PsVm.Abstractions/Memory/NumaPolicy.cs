namespace PsVm;

/// <summary>NUMA placement of a backend's pages (mbind(2)).</summary>
public enum NumaPolicy
{
    /// <summary>The process's policy.</summary>
    Default,

    /// <summary>Only the given host nodes.</summary>
    Bind,

    /// <summary>The given host node first, others when it is full.</summary>
    Preferred,

    /// <summary>Round robin over the given host nodes.</summary>
    Interleave,
}

using PsVm.Machine.State;

namespace PsVm.Fuzz;

/// <summary>What a template would have of something.</summary>
internal static class SavedState
{
    /// <summary>Its state, as bytes.</summary>
    public static byte[] Of(IStateful part)
    {
        StateStream stream = new();
        part.Transfer(stream);
        return stream.ToArray();
    }
}

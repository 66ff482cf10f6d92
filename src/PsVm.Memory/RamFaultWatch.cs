using System.Diagnostics;
using PsVm.Memory.Mapping;

namespace PsVm.Memory;

/// <summary>Whether every page of a backend's RAM could be had. Safe from any thread.</summary>
/// <param name="id">The backend's id.</param>
/// <param name="opened">Its file, which is asked for the cause.</param>
/// <param name="mapping">Its mapping, which notes faults.</param>
internal sealed class RamFaultWatch(string id, OpenedBackend opened, RamMapping mapping)
{
    private RamFault? _fault;

    /// <summary>Raised by <see cref="Whole"/>, on the thread that found out, with no lock held.</summary>
    public event Action<RamFault>? Faulted;

    /// <summary>The first page that could not be had; null: all is well.</summary>
    public RamFault? Fault => _fault ?? (mapping.Fault is { } note ? Describe(note) : null);

    /// <summary>Does something with the memory; what it gives counts only when every page could be had.</summary>
    /// <exception cref="MemoryBackendException">A page could not be had, now or before (<see cref="MemoryErrorIds.RamFault"/>).</exception>
    public T Whole<T>(Func<T> work)
    {
        if (Fault is null)
        {
            try
            {
                T result = work();
                if (Fault is null)
                {
                    return result;
                }
            }
            catch (Exception failure) when (failure is IOException or MemoryBackendException && Fault is not null)
            {
                // The fault says why.
            }
        }

        // With no lock held: whoever uses the RAM ends now, and may give its lease back.
        Faulted?.Invoke(Fault!);
        ThrowIfAny();
        throw new UnreachableException();
    }

    /// <summary>Throws when a page could not be had.</summary>
    /// <exception cref="MemoryBackendException">One could not (<see cref="MemoryErrorIds.RamFault"/>).</exception>
    public void ThrowIfAny()
    {
        if (Fault is { } fault)
        {
            throw new MemoryBackendException(
                MemoryErrorIds.RamFault,
                fault.ToString(),
                id,
                "Mend the file or its file system, then remove the backend and make it anew.");
        }
    }

    private RamFault Describe(RamFaultNote note)
    {
        RamFault fault = RamFaultCauses.Describe(id, opened, mapping.Layers, note);
        return Interlocked.CompareExchange(ref _fault, fault, null) ?? fault;
    }
}

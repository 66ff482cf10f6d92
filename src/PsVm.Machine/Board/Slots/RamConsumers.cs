using PsVm.Memory;

namespace PsVm.Machine.Board.Slots;

/// <summary>
/// Whether RAM is what the devices of a guest need (memory-backends rules, section 6). ROM does not count: no device writes, shares or
/// discards it.
/// </summary>
internal static class RamConsumers
{
    /// <summary>Checks RAM that a guest is about to have.</summary>
    /// <param name="plans">What is to be in its slots.</param>
    /// <param name="backends">The RAM.</param>
    /// <exception cref="MemoryBackendException">A device cannot use it; the error names backend, option and consumer.</exception>
    public static void Check(IEnumerable<GuestDevicePlan> plans, IEnumerable<MemoryBackend> backends)
    {
        foreach (MemoryConsumer consumer in Of(plans))
        {
            foreach (MemoryBackend backend in backends.Where(backend => !backend.Options.ReadOnly))
            {
                backend.CheckConsumer(consumer);
            }
        }
    }

    /// <summary>Checks RAM that is not there yet.</summary>
    /// <param name="plans">What is to be in the slots.</param>
    /// <param name="backends">Where it comes from.</param>
    /// <param name="id">What it is called in the error.</param>
    /// <param name="options">What is asked for.</param>
    /// <exception cref="MemoryBackendException">A device could not use it; the error names backend, option and consumer.</exception>
    public static void Check(IEnumerable<GuestDevicePlan> plans, MemoryBackends backends, string id, MemoryBackendOptions options)
    {
        foreach (MemoryConsumer consumer in options.ReadOnly ? [] : Of(plans))
        {
            backends.CheckConsumer(options, id, consumer);
        }
    }

    private static IEnumerable<MemoryConsumer> Of(IEnumerable<GuestDevicePlan> plans) =>
        plans.SelectMany(plan => plan.Consumers).Distinct();
}

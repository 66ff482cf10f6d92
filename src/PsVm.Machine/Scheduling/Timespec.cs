namespace PsVm.Machine.Scheduling;

/// <summary>struct timespec of 64-bit Linux.</summary>
internal struct Timespec
{
    public long Seconds;
    public long Nanoseconds;
}

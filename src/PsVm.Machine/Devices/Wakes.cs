namespace PsVm.Machine.Devices;

/// <summary>
/// Wakes of other threads, held back while their reason comes to be under a gate of a device: who is awake before that is open comes to it
/// at once, and sleeps there again. Each thread has its own.
/// </summary>
internal static class Wakes
{
    [ThreadStatic]
    private static List<(object Whom, int Hart)>? t_held;

    [ThreadStatic]
    private static bool t_isHolding;

    /// <summary>Holds wakes back until the end of the scope, where no gate is held; within another scope until the end of that.</summary>
    public static Scope Hold()
    {
        Scope scope = new(isOutermost: !t_isHolding);
        t_isHolding = true;
        return scope;
    }

    /// <summary>Wakes a hart, now or at the scope's end.</summary>
    public static void Wake(Action<int> wake, int hart)
    {
        if (t_isHolding)
        {
            (t_held ??= []).Add((wake, hart));
        }
        else
        {
            wake(hart);
        }
    }

    /// <summary>Ends a task that somebody may wait for, now or at the scope's end.</summary>
    public static void Complete(TaskCompletionSource task)
    {
        if (t_isHolding)
        {
            (t_held ??= []).Add((task, 0));
        }
        else
        {
            task.SetResult();
        }
    }

    /// <summary>While it is there, wakes are held back.</summary>
    public readonly ref struct Scope(bool isOutermost)
    {
        public void Dispose()
        {
            if (!isOutermost)
            {
                return;
            }

            t_isHolding = false;
            List<(object Whom, int Hart)>? held = t_held;
            if (held is not { Count: > 0 })
            {
                return;
            }

            // Who is woken here may hold others back.
            t_held = null;
            foreach ((object whom, int hart) in held)
            {
                if (whom is TaskCompletionSource task)
                {
                    task.SetResult();
                }
                else
                {
                    ((Action<int>)whom)(hart);
                }
            }

            held.Clear();
            t_held ??= held;
        }
    }
}

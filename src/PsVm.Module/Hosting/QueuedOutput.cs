using System.Threading.Channels;
using PsVm.Module.Output;

namespace PsVm.Module.Hosting;

/// <summary>The output that a worker sees: it posts what it has to say to a queue that the pipeline thread drains.</summary>
/// <remarks>
/// Any thread may use it. Whoever posts waits while the queue is full, so that a guest that prints without end fills no memory when the
/// next cmdlet is slow. Once closed it swallows what comes.
/// </remarks>
internal sealed class QueuedOutput(CancellationToken cancellation, Confirmation confirmation = Confirmation.Told) : ICmdletOutput
{
    /// <summary>Most messages that wait.</summary>
    public const int Capacity = 32;

    private readonly Channel<Action<ICmdletOutput>> _messages = Channel.CreateBounded<Action<ICmdletOutput>>(Capacity);

    public Confirmation Confirmation => confirmation;

    public void WriteObject(object value) => Post(output => output.WriteObject(value));

    public void WriteObject(object value, Action taken) => Post(output => output.WriteObject(value, taken));

    public void Flush()
    {
        TaskCompletionSource flushed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Post(_ => flushed.SetResult());
        flushed.Task.WaitAsync(cancellation).GetAwaiter().GetResult();
    }

    public void WriteError(PsVmException error) => Post(output => output.WriteError(error));

    public void WriteWarning(string message) => Post(output => output.WriteWarning(message));

    public void WriteVerbose(string message) => Post(output => output.WriteVerbose(message));

    public void WriteDebug(string message) => Post(output => output.WriteDebug(message));

    /// <remarks>When there is much to write, how far it is can wait: only the end is always told.</remarks>
    public void WriteProgress(CmdletProgress progress)
    {
        if (progress.Completed)
        {
            Post(output => output.WriteProgress(progress));
        }
        else
        {
            _messages.Writer.TryWrite(output => output.WriteProgress(progress));
        }
    }

    public bool ShouldProcess(string action)
    {
        TaskCompletionSource<bool> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Post(output => answer.SetResult(output.ShouldProcess(action)));
        return answer.Task.WaitAsync(cancellation).GetAwaiter().GetResult();
    }

    /// <summary>No message comes any more.</summary>
    public void Close() => _messages.Writer.TryComplete();

    /// <summary>Hands every message to the real output, in order, until the queue is closed and empty.</summary>
    public void DrainTo(ICmdletOutput output)
    {
        while (_messages.Reader.WaitToReadAsync(CancellationToken.None).AsTask().GetAwaiter().GetResult())
        {
            while (_messages.Reader.TryRead(out Action<ICmdletOutput>? message))
            {
                message(output);
            }
        }
    }

    private void Post(Action<ICmdletOutput> message)
    {
        while (!_messages.Writer.TryWrite(message) && _messages.Writer.WaitToWriteAsync(cancellation).AsTask().GetAwaiter().GetResult())
        {
        }
    }
}

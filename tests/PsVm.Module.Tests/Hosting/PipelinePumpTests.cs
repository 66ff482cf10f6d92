using System.Management.Automation;
using PsVm.Module.Hosting;
using PsVm.Module.Output;

namespace PsVm.Module.Tests.Hosting;

public class PipelinePumpTests
{
    [Fact]
    public void Work_runs_off_the_pipeline_thread_and_writes_on_it()
    {
        int pipelineThread = Environment.CurrentManagedThreadId;
        List<int> writers = [];
        int workerThread = 0;
        RecordingOutput pipeline = new() { OnWrite = () => writers.Add(Environment.CurrentManagedThreadId) };

        PipelinePump.Run(
            (output, _) =>
            {
                workerThread = Environment.CurrentManagedThreadId;
                output.WriteObject(1);
                output.WriteWarning("w");
                output.WriteVerbose("v");
                output.WriteDebug("d");
                output.WriteProgress(new CmdletProgress("a", "s"));
                output.ShouldProcess("do it");
                output.WriteObject(2);
            },
            pipeline,
            CancellationToken.None);

        Assert.NotEqual(pipelineThread, workerThread);
        Assert.All(writers, thread => Assert.Equal(pipelineThread, thread));
        Assert.Equal([1, 2], pipeline.Objects);
        Assert.Equal("w", Assert.Single(pipeline.Warnings));
        Assert.Equal("v", Assert.Single(pipeline.Verbose));
        Assert.Equal("d", Assert.Single(pipeline.Debug));
        Assert.Equal("do it", Assert.Single(pipeline.Actions));
        Assert.Single(pipeline.Progress);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_operators_answer_reaches_the_worker(bool answer)
    {
        bool? heard = null;

        PipelinePump.Run(
            (output, _) => heard = output.ShouldProcess("do it"), new RecordingOutput { Answer = answer }, CancellationToken.None);

        Assert.Equal(answer, heard);
    }

    [Fact]
    public void An_error_of_the_core_is_written_as_data()
    {
        RecordingOutput pipeline = new();

        PipelinePump.Run(
            (_, _) => throw new GuestException(GuestErrorIds.GuestNotFound, "found none", "web", "start one"),
            pipeline,
            CancellationToken.None);

        PsVmError error = Assert.Single(pipeline.Errors);
        Assert.Equal(
            (GuestErrorIds.GuestNotFound, ErrorKind.ObjectNotFound, "found none", "start one"),
            (error.Id, error.Category, error.Message, error.RecommendedAction));
        Assert.Equal("web", error.Target);
        Assert.IsType<GuestException>(Assert.Single(pipeline.Exceptions));
    }

    [Fact]
    public void Another_exception_ends_the_cmdlet_after_what_was_written_before()
    {
        RecordingOutput pipeline = new();

        Assert.Throws<InvalidDataException>(() => PipelinePump.Run(
            (output, _) =>
            {
                output.WriteObject(1);
                throw new InvalidDataException();
            },
            pipeline,
            CancellationToken.None));
        Assert.Equal([1], pipeline.Objects);
    }

    [Fact]
    public void Stopping_cancels_the_work_and_stops_the_pipeline_once_it_has_ended()
    {
        using CancellationTokenSource stopping = new();
        bool ended = false;

        Assert.Throws<PipelineStoppedException>(() => PipelinePump.Run(
            (output, cancellation) =>
            {
                try
                {
                    stopping.Cancel();
                    cancellation.WaitHandle.WaitOne();
                    cancellation.ThrowIfCancellationRequested();
                }
                finally
                {
                    ended = true;
                }
            },
            new RecordingOutput(),
            stopping.Token));
        Assert.True(ended);
    }

    [Fact]
    public void A_pipeline_that_wants_no_more_cancels_the_work_and_waits_for_it()
    {
        bool cancelled = false;
        RecordingOutput pipeline = new() { OnWrite = () => throw new PipelineStoppedException() };

        Assert.Throws<PipelineStoppedException>(() => PipelinePump.Run(
            (output, cancellation) =>
            {
                output.WriteObject(1);
                cancelled = cancellation.WaitHandle.WaitOne();
            },
            pipeline,
            CancellationToken.None));
        Assert.True(cancelled);
    }

    [Fact]
    public void A_worker_that_waits_for_an_answer_is_cancelled_too()
    {
        RecordingOutput pipeline = new() { OnWrite = () => throw new PipelineStoppedException() };
        bool cancelled = false;

        Assert.Throws<PipelineStoppedException>(() => PipelinePump.Run(
            (output, _) =>
            {
                try
                {
                    output.ShouldProcess("do it");
                }
                catch (OperationCanceledException)
                {
                    cancelled = true;
                }
            },
            pipeline,
            CancellationToken.None));
        Assert.True(cancelled);
    }

    [Fact]
    public void A_slow_pipeline_slows_the_work_down()
    {
        int written = 0, ahead = 0;
        RecordingOutput pipeline = new();
        pipeline = new RecordingOutput
        {
            OnWrite = () =>
            {
                Thread.Sleep(1);
                ahead = Math.Max(ahead, Volatile.Read(ref written) - pipeline.Objects.Count);
            },
        };

        PipelinePump.Run(
            (output, _) =>
            {
                for (int i = 0; i < 2000; i++)
                {
                    output.WriteObject(i);
                    Volatile.Write(ref written, i + 1);
                }
            },
            pipeline,
            CancellationToken.None);

        Assert.Equal(Enumerable.Range(0, 2000).Cast<object>(), pipeline.Objects);
        Assert.InRange(ahead, 1, QueuedOutput.Capacity + 2);
    }

    [Fact]
    public void A_worker_whose_output_nobody_takes_is_cancelled_too()
    {
        RecordingOutput pipeline = new() { OnWrite = () => throw new PipelineStoppedException() };

        Assert.Throws<PipelineStoppedException>(() => PipelinePump.Run(
            (output, _) =>
            {
                while (true)
                {
                    output.WriteObject("y");
                }
            },
            pipeline,
            CancellationToken.None));
    }

    [Fact]
    public void What_is_said_after_the_end_is_swallowed()
    {
        ICmdletOutput? kept = null;
        RecordingOutput pipeline = new();
        PipelinePump.Run((output, _) => kept = output, pipeline, CancellationToken.None);

        kept!.WriteWarning("too late");

        Assert.Empty(pipeline.Warnings);
    }
}

namespace PsVm.Machine.Templates.Lazy;

/// <summary>Told of a template that is being fetched, on the thread that fetches it.</summary>
internal interface IFillWatcher
{
    /// <summary>Some of it has come.</summary>
    void OnArrived();

    /// <summary>All of it has come, and no page has to be asked for any more.</summary>
    void OnWhole();

    /// <summary>It is all there and as it was recorded.</summary>
    void OnComplete();

    /// <summary>The rest does not come, or what came is not what was recorded.</summary>
    /// <param name="failure">Why.</param>
    /// <param name="isWrong">What is there is wrong; else whoever needs no more of it may go on.</param>
    void OnFailed(PsVmError failure, bool isWrong);
}

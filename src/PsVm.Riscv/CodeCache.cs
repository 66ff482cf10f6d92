using PsVm.Riscv.Translation;

namespace PsVm.Riscv;

/// <summary>
/// Decoded and translated code. Harts that are given the same cache share it wherever their pages hold the same instructions, whichever
/// guest they belong to: a page is shared by its content, so a page that a guest has written is its own. Safe from any thread.
/// </summary>
public sealed class CodeCache : IDisposable
{
    private readonly Lock _gate = new();
    private CodeSpace _current;
    private bool _disposed;

    /// <summary>Makes an empty cache.</summary>
    /// <param name="options">The second tier; null: <see cref="TranslatorOptions.Default"/>.</param>
    public CodeCache(TranslatorOptions? options = null)
    {
        Options = options ?? TranslatorOptions.Default;
        _current = new CodeSpace(Options);
    }

    /// <summary>How blocks are translated.</summary>
    public TranslatorOptions Options { get; }

    /// <summary>Bytes of host code in use.</summary>
    public long CodeBytes => _current.CodeBytes;

    /// <summary>Blocks that are translated.</summary>
    public long TranslatedBlocks => _current.TranslatedBlocks;

    /// <summary>Bytes of decoded blocks and of the pages they were decoded from.</summary>
    public long DecodedBytes => _current.DecodedBytes;

    /// <summary>Whether a space is the one in use; a hart that has another changes over between two blocks.</summary>
    internal bool IsCurrent(CodeSpace space) => Volatile.Read(ref _current) == space;

    /// <summary>Takes the space in use; it lives until it is released.</summary>
    internal CodeSpace Acquire()
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_current.IsFull)
            {
                _current.Release();
                Volatile.Write(ref _current, new CodeSpace(Options));
            }

            _current.AddUser();
            return _current;
        }
    }

    /// <summary>Gives up what the cache holds; harts that still run keep what they use.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (!_disposed)
            {
                _disposed = true;
                _current.Release();
            }
        }
    }
}

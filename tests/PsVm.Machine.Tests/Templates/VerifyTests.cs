using System.Security.Cryptography;
using PsVm.Machine.Board;
using PsVm.Machine.Templates;
using PsVm.Memory;

namespace PsVm.Machine.Tests.Templates;

/// <summary>
/// A RAM file that changes places with another one, of other content, again and again while guests start from it with Verify.
/// </summary>
public sealed class VerifyTests : TemplateTest
{
    private const int Enough = 5;

    [Fact]
    public void What_is_hashed_is_what_is_mapped_whatever_has_the_name_before_and_after()
    {
        GuestTemplate template = MakeTemplate("t", digest: true);
        TemplateSource source = TemplateSource.Open(template.Path);
        GuestOptions options = new() { Name = "clone", Template = template.Path, Verify = true, MachineType = template.MachineType };
        using IDisposable swapping = Swapping(template.RamBlocks[0].File);

        CountBoth(() =>
        {
            using GuestRam ram = TemplateRam.Map(Backends, options, source, CancellationToken.None);
            Assert.Equal(template.RamBlocks[0].Sha256, HashOf(ram.Backends[0]));
        });
    }

    [Fact]
    public void A_guest_that_starts_with_Verify_has_the_content_that_was_verified()
    {
        GuestTemplate template = MakeTemplate("t", digest: true);
        using IDisposable swapping = Swapping(template.RamBlocks[0].File);

        CountBoth(() =>
        {
            string clone = Clone(new GuestOptions { Template = template.Path, Verify = true });
            Check(clone);
            End(clone);
        });
    }

    [Fact]
    public void A_test_with_Verify_says_what_is_wrong_with_the_file_that_it_read()
    {
        GuestTemplate template = MakeTemplate("t", digest: true);
        using IDisposable swapping = Swapping(template.RamBlocks[0].File);

        CountBoth(() =>
        {
            TemplateReport report = GuestTemplates.Test(template.Path, verify: true);
            if (!report.IsValid)
            {
                TemplateError error = Assert.Single(report.Errors);
                throw new GuestException(error.Id, error.Message, null);
            }
        });
    }

    /// <summary>Does something until it went well and was refused often enough; what it may be refused for is the content alone.</summary>
    private static void CountBoth(Action action)
    {
        int done = 0, refused = 0;
        using CancellationTokenSource patience = new(Patience);
        while (done < Enough || refused < Enough)
        {
            Assert.False(patience.IsCancellationRequested, $"went well {done} times, was refused {refused} times");
            try
            {
                action();
                done++;
            }
            catch (GuestException error)
            {
                Assert.Equal(GuestErrorIds.TemplateDigestMismatch, error.ErrorId);
                refused++;
            }
        }
    }

    private static unsafe string HashOf(MemoryBackend backend) =>
        Convert.ToHexStringLower(SHA256.HashData(new ReadOnlySpan<byte>((void*)backend.Address, (int)backend.Size)));

    /// <summary>Lets a file and one in which each page of the upper half is another change places until disposed.</summary>
    private Swapper Swapping(string file)
    {
        byte[] other = File.ReadAllBytes(file);
        for (int page = other.Length / 2; page < other.Length; page += 4096)
        {
            other[page] ^= 1;
        }

        File.WriteAllBytes(At("other"), other);
        return new Swapper(file, At("other"));
    }

    private sealed class Swapper : IDisposable
    {
        private readonly Thread _thread;
        private volatile bool _ends;

        public Swapper(string one, string other)
        {
            _thread = new Thread(() =>
            {
                while (!_ends)
                {
                    Assert.Equal(0, FolderCalls.Kernel.Swap(one, other));
                    Thread.Sleep(Random.Shared.Next(3));
                }
            });
            _thread.Start();
        }

        public void Dispose()
        {
            _ends = true;
            _thread.Join();
        }
    }
}

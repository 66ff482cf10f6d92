using PsVm.Machine.Guests;
using PsVm.Memory;

namespace PsVm.Machine.Tests.Templates;

/// <summary>Which guests of a host run code that was decoded for another.</summary>
public sealed class CodeFamilyTests : TemplateTest
{
    [Fact]
    public void Guests_that_boot_share_no_code()
    {
        long first = PagesSharedWith(Host, () => Host.Suspend(Boot(new GuestOptions { Memory = Memory })));
        long second = PagesSharedWith(Host, () => Host.Suspend(Boot(new GuestOptions { Memory = Memory })));

        // Each comes back to pages of its own, both as often.
        Assert.InRange(second, 0, first);
        Assert.Equal(CodeSharing.Template, Host.MeasureTranslation().Sharing);
    }

    [Fact]
    public void Clones_share_the_code_of_their_template_and_of_no_other()
    {
        GuestTemplate web = MakeTemplate("web"), database = MakeTemplate("database");
        using MemoryBackends backends = new();
        using GuestHost host = new(backends); // here no guest has left its code to a template
        Use(host, web);
        long sameAgain = PagesSharedWith(host, () => Use(host, web));
        long ofAnother = PagesSharedWith(host, () => Use(host, database));

        Assert.True(sameAgain > ofAnother, $"{sameAgain} pages of the same template, {ofAnother} of another");
    }

    [Fact]
    public void The_first_clone_runs_what_the_guest_had_decoded_that_its_template_was_made_of()
    {
        string source = Boot(new GuestOptions { Memory = Memory });
        Ask(source, "check", "check: ");
        GuestTemplate template = Make(source, new CheckpointOptions { Path = At("web") });
        End(source);
        long here = DecodedBy(Host);
        using MemoryBackends backends = new();
        using GuestHost another = new(backends);
        long elsewhere = DecodedBy(another);

        Assert.True(here < elsewhere / 2, $"{here} bytes decoded where the guest had run, {elsewhere} elsewhere");

        long DecodedBy(GuestHost host)
        {
            long before = host.MeasureTranslation().DecodedBytes;
            Use(host, template);
            return host.MeasureTranslation().DecodedBytes - before;
        }
    }

    [Fact]
    public void All_guests_share_where_the_operator_says_so()
    {
        using MemoryBackends backends = new();
        using GuestHost host = new(backends, sharing: CodeSharing.Host);
        long first = PagesSharedWith(host, BootThere);
        long second = PagesSharedWith(host, BootThere);

        Assert.True(second > first, $"{first} pages for the first guest, {second} for the second");

        void BootThere()
        {
            string name = host.Start(new GuestOptions { Memory = Memory }, CancellationToken.None).Name;
            Assert.True(host.WaitForText(name, "GUEST-UP", Patience, CancellationToken.None));
            host.Suspend(name);
        }
    }

    [Theory]
    [InlineData("none")]
    [InlineData("2")]
    [InlineData("Template,Host")]
    public void A_way_of_sharing_that_is_none_is_an_error(string text)
    {
        GuestException error = Assert.Throws<GuestException>(() => HostEnvironment.Sharing(text));
        Assert.Equal(GuestErrorIds.CodeSharingInvalid, error.ErrorId);
        Assert.Contains($"Template or Host, found '{text}'", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, CodeSharing.Template)]
    [InlineData("", CodeSharing.Template)]
    [InlineData(" host ", CodeSharing.Host)]
    [InlineData("Template", CodeSharing.Template)]
    public void The_environment_says_who_shares(string? text, CodeSharing sharing) => Assert.Equal(sharing, HostEnvironment.Sharing(text));

    [Fact]
    public void A_host_that_cannot_translate_says_so_once_and_runs_guests()
    {
        using MemoryBackends backends = new();
        using GuestHost host = new(backends, new() { CodeBytes = 80L << 40 });
        Assert.Empty(host.ReadEvents(0).Events); // who starts no guest need not know
        for (int i = 0; i < 2; i++)
        {
            string name = host.Start(new GuestOptions { Memory = Memory }, CancellationToken.None).Name;
            Assert.True(host.WaitForText(name, "GUEST-UP", Patience, CancellationToken.None));
        }

        HostEvent warning = Assert.Single(host.ReadEvents(0).Events, happened => happened.Level == HostEventLevel.Warning);
        Assert.Equal(HostEventIds.TranslationUnavailable, warning.Id);
        Assert.NotNull(host.MeasureTranslation().Unavailable);
    }

    private static void Use(GuestHost host, GuestTemplate template)
    {
        string clone = host.Start(new GuestOptions { Template = template.Path }, CancellationToken.None).Name;
        host.WriteConsole(clone, "check\r");
        Assert.True(host.WaitForText(clone, "check: ", Patience, CancellationToken.None));
        host.Suspend(clone);
    }

    private static long PagesSharedWith(GuestHost host, Action use)
    {
        long before = host.MeasureTranslation().PagesShared;
        use();
        return host.MeasureTranslation().PagesShared - before;
    }
}

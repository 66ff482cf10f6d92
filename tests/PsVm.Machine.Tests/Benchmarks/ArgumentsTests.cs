using PsVm.Benchmarks;

namespace PsVm.Machine.Tests.Benchmarks;

/// <summary>The options of the benchmarks' commands.</summary>
public class ArgumentsTests
{
    private static readonly string[] Needed = ["--kernel", "Image", "--initrd", "initramfs.cpio"];

    [Fact]
    public void A_boot_has_the_defaults_of_the_peers_script()
    {
        BootOptions options = new(new Arguments(Needed));

        Assert.Equal(("Image", "initramfs.cpio"), (options.Kernel, options.Initrd));
        Assert.Equal(("console=ttyS0 panic=-1 quiet", "GUEST-UP"), (options.Append, options.Until));
        Assert.Equal((256, 1, 5), (options.Megabytes, options.Harts, options.Runs));
        Assert.True(options.Translate);
    }

    [Fact]
    public void A_childs_options_are_its_parents()
    {
        Arguments all = new(
            [
                .. Needed, "--append", "quiet scale=1", "--until", "login:", "--mem",
                "64", "--harts", "2", "--tier", "interpreter", "-n", "1"]);
        BootOptions options = new(all);
        all.Done();

        BootOptions child = new(new Arguments([.. options.ToWords(), "-n", "1"]));

        Assert.Equal(options, child);
        Assert.Equal(("quiet scale=1", "login:", 64, 2), (child.Append, child.Until, child.Megabytes, child.Harts));
        Assert.False(child.Translate);
    }

    [Theory]
    [InlineData("kernel")]
    [InlineData("--mem", "none")]
    [InlineData("--mem", "0")]
    [InlineData("-n", "-1")]
    [InlineData("-n")]
    [InlineData("--tier", "other")]
    [InlineData("--kernel", "again")]
    [InlineData("--other", "1")]
    [InlineData("--warm", "1")]
    public void What_is_wrong_is_refused(params string[] words) => Assert.Throws<ArgumentException>(() =>
    {
        Arguments arguments = new([.. Needed, .. words]);
        _ = new BootOptions(arguments);
        arguments.Switch("--warm");
        arguments.Done();
    });

    [Fact]
    public void A_missing_option_is_named()
    {
        ArgumentException error = Assert.Throws<ArgumentException>(() => new BootOptions(new Arguments(["--kernel", "Image"])));

        Assert.Equal("Expected --initrd VALUE, found none.", error.Message);
    }
}

using FsCheck;
using FsCheck.Fluent;
using PsVm.Memory.Tests.Support;

namespace PsVm.Memory.Tests.Qemu;

public sealed class QemuBackendTests
{
    private static readonly Version s_version = new(10, 0);

    // What becomes of each option, so that a new one is not forgotten; docs/qemu.md tells why.
    private static readonly Dictionary<string, string> s_options = new()
    {
        ["Id"] = "id", ["Kind"] = "memory-backend-", ["Path"] = "mem-path", ["Size"] = "size", ["Offset"] = "offset", ["Share"] = "share",
        ["ReadOnly"] = "rom", ["FileAccessMode"] = "readonly", ["DiscardPolicy"] = "refused", ["Prealloc"] = "prealloc",
        ["PreallocThreads"] = "prealloc-threads", ["ForcePrealloc"] = "prealloc", ["Reserve"] = "reserve", ["Align"] = "align",
        ["Merge"] = "merge", ["Dump"] = "dump", ["HostNodes"] = "host-nodes", ["NumaPolicy"] = "policy", ["MachineType"] = "readonly",
        ["DenyPrivateDiscard"] = "readonly", ["AllowPrivateDiscard"] = "readonly", ["AllowSharedWriters"] = "nothing",
    };

    [Fact]
    public void Every_option_is_written_or_refused() =>
        Assert.Equal(typeof(MemoryBackendOptions).GetProperties().Select(property => property.Name).Order(), s_options.Keys.Order());

    public static TheoryData<string, MemoryBackendOptions> Refusals() => new()
    {
        { "DiscardPolicy Deny", new() { DiscardPolicy = DiscardPolicy.Deny } },
        { "DiscardPolicy Deny", new() { Path = "x", Share = true, DiscardPolicy = DiscardPolicy.Deny } },
        { "DiscardPolicy ZeroOverlay", new() { Path = "x", DiscardPolicy = DiscardPolicy.ZeroOverlay } },
        { "DiscardPolicy RestoreTemplate", new() { Path = "x", DiscardPolicy = DiscardPolicy.RestoreTemplate } },
        { "Prealloc", new() { Path = "x", ReadOnly = true, Prealloc = true } },
        { "Prealloc", new() { Path = "x", Prealloc = true } },
        { "Prealloc", new() { Prealloc = true, Reserve = false } },
        { "Align", new() { Align = 2 << 20 } },
        { "Align", new() { Kind = BackendKind.Memfd, Align = 2 << 20 } },
    };

    [Theory]
    [MemberData(nameof(Refusals))]
    public void What_QEMU_has_no_word_for_is_refused_by_name(string name, MemoryBackendOptions options)
    {
        options = options with { Id = "m", Size = Make.Page };
        MemoryBackendException error = Assert.Throws<MemoryBackendException>(() => Write(options, s_version));
        Assert.Equal(MemoryErrorIds.QemuCannotExpress, error.ErrorId);
        Assert.StartsWith(name, error.Message, StringComparison.Ordinal);
        Assert.NotEmpty(error.RecommendedAction!);
    }

    public static TheoryData<string, MemoryBackendOptions> Written() => new()
    {
        { "memory-backend-ram,id=m,size=4K,share=off,merge=off,dump=on", new() },
        { "memory-backend-ram,id=m,size=4K,share=off,prealloc=on,merge=off,dump=on", new() { Prealloc = true } },
        { "memory-backend-memfd,id=m,size=4K,share=on,reserve=off,merge=on,dump=off", new()
            { Kind = BackendKind.Memfd, Share = true, Reserve = false, Merge = true, Dump = false } },
        { "memory-backend-file,id=m,size=4K,mem-path=/none/x,,y,share=off,readonly=on,rom=off,merge=off,dump=on", new()
            { Path = "/none/x,y", DiscardPolicy = DiscardPolicy.Deny } },
        { "memory-backend-file,id=m,size=4K,mem-path=/none/x,share=off,readonly=off,rom=off,prealloc=on,merge=off,dump=on", new()
            { Path = "/none/x", MachineType = "virt-1.0", DiscardPolicy = DiscardPolicy.PunchHole, Prealloc = true,
              ForcePrealloc = true } },
        { "memory-backend-file,id=m,size=4K,mem-path=/none/x,share=off,readonly=on,rom=off,merge=off,dump=on", new()
            { Path = "/none/x", MachineType = "virt-1.0", DenyPrivateDiscard = true } },
        { "memory-backend-ram,id=m,size=4K,share=off,merge=off,dump=on,host-nodes=0,host-nodes=2,policy=interleave", new()
            { HostNodes = [0, 2], NumaPolicy = NumaPolicy.Interleave } },
    };

    [Theory]
    [MemberData(nameof(Written))]
    public void The_rest_is_written(string text, MemoryBackendOptions options) =>
        Assert.Equal(["-object", text], Write(options with { Id = "m", Size = Make.Page }, s_version).Arguments);

    [Fact]
    public void An_older_QEMU_is_given_what_it_can_say_and_else_an_error_that_explains() => Assert.All(
        QemuRow.All.Where(row => row.Decision.Error is null && !row.HugeTlb),
        row =>
        {
            MemoryBackendOptions options = row.Options with { Path = "/none/x", Size = Make.Page };
            if (row.Argument.EndsWith("readonly=on,rom=off", StringComparison.Ordinal))
            {
                MemoryBackendException error = Assert.Throws<MemoryBackendException>(() => Write(options, new Version(7, 2)));
                Assert.Equal(MemoryErrorIds.QemuVersionTooOld, error.ErrorId);
                Assert.Contains("no property 'rom'", error.Message, StringComparison.Ordinal);
                Assert.Contains("8.2", error.RecommendedAction, StringComparison.Ordinal);
            }
            else
            {
                string text = Write(options, new Version(7, 2)).Arguments[1];
                Assert.Contains(row.Argument[..row.Argument.IndexOf(",rom", StringComparison.Ordinal)], text, StringComparison.Ordinal);
                Assert.DoesNotContain("rom=", text, StringComparison.Ordinal);
            }
        });

    [Theory]
    [InlineData("8.1", true)]
    [InlineData("8.0", false)]
    public void A_property_that_a_version_lacks_is_named(string version, bool has)
    {
        MemoryBackendOptions options = new() { Id = "m", Path = "/none/x", Size = Make.Page, Offset = Make.Page, Share = true };
        MemoryBackendException? error = Record.Exception(() => Write(options, Version.Parse(version))) as MemoryBackendException;
        Assert.Equal(has ? null : MemoryErrorIds.QemuVersionTooOld, error?.ErrorId);
        Assert.Equal(has, error?.Message.Contains("offset=4K", StringComparison.Ordinal) != true);
    }

    [Theory]
    [InlineData("1m")]
    [InlineData("a b")]
    [InlineData("ü")]
    [InlineData("a,b")]
    [InlineData("a\n")]
    public void An_id_that_QEMU_does_not_take_is_refused(string id) => Assert.Equal(
        MemoryErrorIds.QemuIdInvalid,
        Assert.Throws<MemoryBackendException>(() => Write(new() { Id = id, Size = Make.Page }, s_version)).ErrorId);

    /// <summary>Whatever stands behind -object, it is read, or there is an error that says what was expected.</summary>
    [Fact]
    public void Nothing_that_is_typed_ends_otherwise_than_in_an_error_of_ours()
    {
        Gen<string> pieces = Gen.Elements(
            "memory-backend-ram", "memory-backend-file", ",", ",,", "=", "id=m", "size=1M", "size=", "\"", "{", "}", "[", "]", ":",
            "\"qom-type\":", "\"id\":\"m\"",
            "\"memory-backend-ram\"", "\"size\":4096", "\"size\":1.5", "\"size\":1e400", "\"host-nodes\":[0,[1]]", "\"host-nodes\":{}",
            "\"\\ud800\"", "\"policy\":\"\\ud800\"",
            "host-nodes=0-", "host-nodes=0-99999999999999999999", "size=99999999999999999999E", "size=.", "no", "nomerge",
            "rom", "\0", " ", "-object", "'");
        Prop.ForAll(Arb.From(Gen.ListOf(pieces)), items =>
        {
            string text = string.Concat(items);
            Assert.True(Record.Exception(() => QemuBackendReader.Read(text)) is null or MemoryBackendException, text);
            string json = $"{{\"qom-type\":\"memory-backend-ram\",{string.Join(',', items)}}}";
            Assert.True(Record.Exception(() => QemuBackendReader.Read(json)) is null or MemoryBackendException, json);
            Assert.True(Record.Exception(() => QemuBackendReader.Find(items)) is null or MemoryBackendException, text);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(2000));
    }

    [Theory]
    [InlineData("""{"qom-type":"memory-backend-ram","id":"\ud800","size":4096}""")]
    [InlineData("""{"qom-type":"\ud800","id":"m","size":4096}""")]
    [InlineData("""{"qom-type":"memory-backend-ram","id":"m","size":4096,"\ud800":1}""")]
    [InlineData("""{"qom-type":"memory-backend-ram","id":"m","size":"\ud800"}""")]
    [InlineData("""{"qom-type":"memory-backend-ram","id":"m","size":4096,"policy":"\ud800"}""")]
    [InlineData("""{"qom-type":"memory-backend-ram","id":"m","size":4096,"host-nodes":["\ud800"]}""")]
    [InlineData("""{"qom-type":"memory-backend-ram","id":"m","size":4096,"host-nodes":{}}""")]
    [InlineData("""{"qom-type":"memory-backend-ram","id":"m","size":4096,"host-nodes":[[0]]}""")]
    [InlineData("""{"qom-type":"memory-backend-ram","id":7,"size":4096}""")]
    [InlineData("""{"qom-type":"memory-backend-ram","id":"m","size":4096.0}""")]
    [InlineData("""{"qom-type":"memory-backend-ram","id":"m","size":-1}""")]
    [InlineData("""{"qom-type":"memory-backend-ram","id":"m","size":1e400}""")]
    [InlineData("""{"qom-type":"memory-backend-ram","id":"m","size":null}""")]
    [InlineData("""{"qom-type":["memory-backend-ram"],"id":"m","size":4096}""")]
    public void Odd_JSON_is_an_error_of_ours(string json) =>
        Assert.Equal(MemoryErrorIds.QemuValueInvalid, Assert.Throws<MemoryBackendException>(() => QemuBackendReader.Read(json)).ErrorId);

    private static QemuArgument Write(MemoryBackendOptions options, Version version)
    {
        using MemoryBackends backends = Make.Backends();
        return QemuBackend.ToArgument(options, backends.Test(options), version);
    }
}

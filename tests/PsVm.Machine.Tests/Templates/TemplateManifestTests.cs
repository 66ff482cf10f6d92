using System.Text;
using System.Text.Json.Nodes;
using PsVm.Machine.Templates;
using PsVm.Memory;

namespace PsVm.Machine.Tests.Templates;

public sealed class TemplateManifestTests
{
    private static readonly FileIdentity s_identity = new(1, 2, 4096, 3, 4);

    [Fact]
    public void What_says_which_file_is_meant_stands_where_it_always_stood()
    {
        JsonNode json = JsonNode.Parse(Full().ToJson())!;

        Assert.Equal(
            "backendId size readOnly file offset inode device fileSize modifiedNanoseconds changedNanoseconds digest sha256 changedBytes",
            Names(json["ram"]![0]!));
        Assert.Equal(
            "name readOnly inode device fileSize modifiedNanoseconds changedNanoseconds digest written", Names(json["disks"]![0]!));
        Assert.Equal(
            "file bytes inode device fileSize modifiedNanoseconds changedNanoseconds digest", Names(json["disks"]![0]!["written"]!));
    }

    [Theory]
    [InlineData("inode")]
    [InlineData("device")]
    [InlineData("fileSize")]
    [InlineData("modifiedNanoseconds")]
    [InlineData("changedNanoseconds")]
    public void None_of_it_may_be_missing(string property)
    {
        Assert.Equal(s_identity, TemplateManifest.Read("f", Full().ToJson()).Disks![0].Written!.Identity);
        foreach (Func<JsonNode, JsonNode> described in new Func<JsonNode, JsonNode>[]
        {
            json => json["ram"]![0]!, json => json["disks"]![0]!, json => json["disks"]![0]!["written"]!,
        })
        {
            foreach (bool isNull in new[] { false, true })
            {
                JsonNode json = JsonNode.Parse(Full().ToJson())!;
                JsonObject broken = described(json).AsObject();
                _ = broken.Remove(property);
                if (isNull)
                {
                    broken[property] = null;
                }

                GuestException error = Assert.Throws<GuestException>(
                    () => TemplateManifest.Read("f", Encoding.UTF8.GetBytes(json.ToJsonString())));
                Assert.Equal(GuestErrorIds.TemplateManifestInvalid, error.ErrorId);
            }
        }
    }

    private static string Names(JsonNode node) => string.Join(' ', node.AsObject().Select(property => property.Key));

    private static TemplateManifest Full() => new()
    {
        FormatVersion = TemplateManifest.Version, Id = Guid.NewGuid(), Guest = "g", MachineType = "virt-1.4", Board = "virt",
        Devices = ["uart"], Slots = ["disk:d"],
        Harts = 1, Isa = "rv64imafdc", Boot = "b", CreatedAt = DateTimeOffset.UnixEpoch, Parent = new TemplateParent("/p", Guid.NewGuid()),
        Ram =
        [
            new RamBlockManifest
            {
                BackendId = "b", Size = 4096, File = "ram0.bin", Identity = s_identity, Digest = Hash(), Sha256 = Hash(),
                ChangedBytes = 4096,
            },
        ],
        Disks =
        [
            new DiskManifest
            {
                Name = "d", Identity = s_identity with { Size = 512 }, Digest = Hash(),
                Written = new DiskFileManifest { File = "disk0.bin", Bytes = 4096, Identity = s_identity, Digest = Hash() },
            },
        ],
    };

    private static string Hash() => new('a', 64);
}

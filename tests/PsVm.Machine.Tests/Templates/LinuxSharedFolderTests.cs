using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace PsVm.Machine.Tests.Templates;

/// <summary>
/// Debian's 9P driver on folders of the host's: checksums both ways, clones, checkpoints under load, and folders that go.
/// </summary>
public sealed class LinuxSharedFolderTests : TemplateTest
{
    private const int MiB = 1 << 20;

    [SkippableFact]
    public void A_folder_has_the_same_files_on_both_sides()
    {
        string shared = Shared("shared");
        int files = FileCount;
        for (int i = 0; i < files; i++)
        {
            string folder = Directory.CreateDirectory(Path.Combine(shared, $"in/{i % 10}")).FullName;
            File.WriteAllBytes(Path.Combine(folder, $"{i}"), RandomNumberGenerator.GetBytes(i * 37 % 9000));
        }

        string guest = Boot(OptionsOrSkip(shared));
        Assert.Equal($"{files}", Run(guest, "find /mnt/src/in -type f | wc -l"));
        Assert.Equal(SumOf(Path.Combine(shared, "in")), Run(guest, SumTree("/mnt/src/in")));

        Run(guest, "cp -r /mnt/src/in /mnt/src/out && dd if=/dev/urandom of=/mnt/src/big bs=1M count=8 2>/dev/null && sync");
        Assert.Equal(SumOf(Path.Combine(shared, "in")), SumOf(Path.Combine(shared, "out")));
        Assert.Equal(
            Sum(Path.Combine(shared, "big")), Run(guest, "echo 3 >/proc/sys/vm/drop_caches; sha256sum </mnt/src/big | cut -c1-64"));

        // Names, links, and what is done to files without a name.
        Assert.Equal(
            "ok",
            Run(
                guest,
                "cd /mnt/src && mkdir d && echo one >d/a && ln d/a d/b && ln -s a d/c && mv d e && echo two >>e/b && [ $(cat e/c | wc -l) "
                    + "= 2 ] "
            + "&& chmod 640 e/a && truncate -s 5 e/a && exec 5<>e/a && rm e/a && [ -e e/b ] && rm e/b e/c && rmdir e && echo three >&5 && "
            + "exec 5>&- && ! ls e 2>/dev/null && cd / && echo ok"));
        Assert.False(Path.Exists(Path.Combine(shared, "e")));
        Assert.Equal("", Run(guest, "rm -r /mnt/src/out && ls /mnt/src | grep out"));
        Assert.False(Path.Exists(Path.Combine(shared, "out")));
        Assert.Equal("", Complaints(guest));
        GuestSharedFolder told = Assert.Single(Host.SharedFolders.Get(guest));
        Assert.Equal(("src", shared, 0L, null), (told.Tag, told.Path!, told.Failures, told.LastFailure));
        Assert.InRange(told.WrittenBytes, 8 * MiB, 1024L * MiB);
        Assert.InRange(told.ReadBytes, 8 * MiB, 1024L * MiB);
        End(guest);
    }

    [SkippableFact]
    public void One_that_is_read_only_is_read_and_nothing_in_it_changes()
    {
        string shared = Shared("shared");
        File.WriteAllText(Path.Combine(shared, "f"), "content\n");
        string guest = Boot(OptionsOrSkip(shared, folder => folder with { ReadOnly = true }));

        Assert.Equal("content", Run(guest, "cat /mnt/src/f"));
        Assert.Equal(
            "6",
            Run(
                guest,
                "cd /mnt/src; for x in 'echo x >f' 'rm f' 'mkdir d' 'mv f g' 'ln -s x l' 'chmod 600 f'; do sh -c \"$x\"; done 2>&1 | "
            + "grep -c 'Read-only file system'; cd /"));
        Assert.Equal(["f"], Directory.EnumerateFileSystemEntries(shared).Select(Path.GetFileName));
        Assert.Equal("content\n", File.ReadAllText(Path.Combine(shared, "f")));
    }

    [SkippableFact]
    public void Clones_have_a_common_folder_or_their_own_and_go_on_with_what_is_the_same_there()
    {
        string shared = Shared("shared");
        File.WriteAllText(Path.Combine(shared, "f"), "content\n");
        string guest = Boot(OptionsOrSkip(shared));
        Run(guest, "cd /mnt/src; mkdir d; exec 5<f; exec 6>>d/log; echo begun >&6; exec 7<>gone; rm gone; cd /");
        GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t") });
        Assert.Equal("begun", Run(guest, "cat /mnt/src/d/log"));

        // What was open is the same files, in each clone as it was: where a file ends a kernel knows by itself.
        GuestOptions common = new() { Template = template.Path, SharedFolders = [new GuestSharedFolderOptions { Path = shared }] };
        string[] clones = [Clone(common), Clone(common)];
        for (int i = 0; i < clones.Length; i++)
        {
            Assert.Equal("content", Run(clones[i], "read -r line <&5; echo $line"));
            Run(clones[i], $"echo clone{i} >&6");
            Assert.Equal(["begun", $"clone{i}"], File.ReadAllLines(Path.Combine(shared, "d/log")));
            Assert.Equal("stale", Run(clones[i], "cat <&7 2>/dev/null && echo read || echo stale"));
        }

        // Another folder shows at once, and what was open in the first is stale.
        string own = Shared("own");
        File.WriteAllText(Path.Combine(own, "mine"), "own\n");
        File.WriteAllText(Path.Combine(own, "f"), "other\n");
        string other = Clone(common with { SharedFolders = [new GuestSharedFolderOptions { Path = own }] });
        Assert.Equal("own", Run(other, "cat /mnt/src/mine"));
        Assert.Equal("stale", Run(other, "cat <&5 2>/dev/null || echo stale"));
        Assert.Equal("other", Run(other, "exec 5<&-; cat /mnt/src/f"));
        Run(other, "echo from-clone >/mnt/src/new");
        Assert.Equal("from-clone\n", File.ReadAllText(Path.Combine(own, "new")));
        Assert.False(File.Exists(Path.Combine(shared, "new")));

        // None is errors, until there is one.
        string bare = Clone(new GuestOptions { Template = template.Path });
        Assert.Equal("error", Run(bare, "ls /mnt/src 2>/dev/null || echo error"));
        Host.SharedFolders.Add(bare, new GuestSharedFolderOptions { Path = own });
        Assert.Equal("own", Run(bare, "cat /mnt/src/mine"));
        Host.SharedFolders.Remove(bare, "src");
        Assert.Equal("error", Run(bare, "cat /mnt/src/mine 2>/dev/null || echo error"));
        Host.Reset(clones[0]);
        Assert.Equal("content", Run(clones[0], "read -r line <&5; echo $line"));
        Assert.Equal("", Complaints(other));
    }

    [SkippableFact]
    public void A_folder_that_is_removed_while_shared_gives_errors_and_all_go_on()
    {
        string shared = Shared("shared");
        File.WriteAllText(Path.Combine(shared, "f"), "content\n");
        string guest = Boot(OptionsOrSkip(shared));
        Run(guest, "exec 5</mnt/src/f");
        Directory.Delete(shared, recursive: true);

        Assert.Equal("content", Run(guest, "cat <&5; exec 5<&-"));
        Assert.Equal("gone", Run(guest, "cat /mnt/src/f 2>/dev/null || echo gone"));
        Assert.Equal("gone", Run(guest, "touch /mnt/src/g 2>/dev/null || echo gone"));
        Assert.Equal(GuestState.Running, Host.Get(guest).State);
        Assert.Equal("", Complaints(guest));
        Check(guest, Make(guest, new CheckpointOptions { Path = At("t") }));
        End(guest);
    }

    [SkippableFact]
    public void Checkpoints_under_load_lose_no_request()
    {
        string shared = Shared("shared");
        string guest = Boot(OptionsOrSkip(shared));
        const string work =
            "mkdir /mnt/src/$$; cd /mnt/src/$$; while :; do dd if=/dev/urandom of=/tmp/x bs=64k count=4; cp /tmp/x f; mv f g; ln g h; cmp "
            + "/tmp/x h || "
            + "echo differs >>/tmp/wrong; for i in 1 2 3 4 5; do echo $i >s$i; done; [ \"$(cat s*)\" = \"$(seq 5)\" ] || echo small "
            + ">>/tmp/wrong; rm g h s* || "
            + "echo rm >>/tmp/wrong; echo round >>/tmp/rounds; done";
        Run(guest, $"(sh -c '{work.Replace("'", "'\\''", StringComparison.Ordinal)}' >/dev/null 2>&1 &)");

        for (int i = 0; i < Checkpoints; i++)
        {
            int rounds = Rounds(guest);
            Assert.True(SpinWait.SpinUntil(() => Rounds(guest) > rounds, Patience));
            GuestTemplate template = Make(guest, new CheckpointOptions { Path = At("t"), Force = true });

            // Its own folder: the guest goes on in the common one. What it was about is gone there, so it begins anew.
            string own = Shared($"own{i}");
            string clone = Clone(
                new GuestOptions { Template = template.Path, SharedFolders = [new GuestSharedFolderOptions { Path = own }] });
            Run(
                clone,
                $"killall sh 2>/dev/null; rm -f /tmp/wrong /tmp/rounds; (sh -c '{work.Replace("'", "'\\''", StringComparison.Ordinal)}' "
                    + ">/dev/null 2>&1 &)");
            Assert.True(SpinWait.SpinUntil(() => Rounds(clone) > 1, Patience));
            Assert.Equal("no", Run(clone, "[ -e /tmp/wrong ] && cat /tmp/wrong || echo no"));
            End(clone);
        }

        Assert.Equal("no", Run(guest, "[ -e /tmp/wrong ] && cat /tmp/wrong || echo no"));
        Assert.Equal("", Complaints(guest));
        Assert.Equal(0, Host.SharedFolders.Get(guest)[0].Failures);
    }

    // By hand: PSVM_TEST_FILES=10000, PSVM_TEST_CHECKPOINTS=100.
    private static int FileCount => Number("PSVM_TEST_FILES", 200);

    private static int Checkpoints => Number("PSVM_TEST_CHECKPOINTS", 2);

    private static int Number(string variable, int usual) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), CultureInfo.InvariantCulture, out int number) ? number : usual;

    private int Rounds(string guest) => int.Parse(Run(guest, "cat /tmp/rounds 2>/dev/null | wc -l"), CultureInfo.InvariantCulture);

    private void Check(string guest, GuestTemplate template)
    {
        Assert.Equal(["folder:src"], template.Slots);
        Assert.Equal("still here", Run(guest, "echo still here"));
    }

    private string Shared(string name) => Directory.CreateDirectory(At(name)).FullName;

    private static string SumTree(string folder) => $"(cd {folder}; find . -type f | sort | xargs sha256sum | sha256sum | cut -c1-64)";

    private static string SumOf(string folder)
    {
        string[] lines = [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
            .Select(file => (Name: "./" + Path.GetRelativePath(folder, file), file)).OrderBy(file => file.Name, StringComparer.Ordinal)
            .Select(file => $"{Sum(file.file)}  {file.Name}\n")];
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Concat(lines))));
    }

    private static string Sum(string file) => Sha256(file);

    /// <summary>A guest on private memory; skips the test without the guest's modules.</summary>
    private static GuestOptions OptionsOrSkip(string shared, Func<GuestSharedFolderOptions, GuestSharedFolderOptions>? change = null)
    {
        LinuxGuest linux = LinuxGuest.GetOrSkip();
        string module = Path.Combine(Path.GetDirectoryName(linux.Kernel)!, "modules/9p.ko.xz");
        Skip.IfNot(File.Exists(module), $"no {module}: tests/guests/get-linux.sh fetches it");
        GuestSharedFolderOptions folder = new() { Path = shared, Tag = "src" };
        return new GuestOptions
        {
            Memory = 128 << 20,
            Kernel = linux.Kernel,
            Initrd = linux.Initrd,
            CommandLine = "console=ttyS0 quiet",
            SharedFolders = [change?.Invoke(folder) ?? folder],
        };
    }
}

using System.Reflection;
using System.Runtime.InteropServices;

namespace PsVm.Riscv.Translation.X64;

/// <summary>
/// Where the fields of a structure are that host code reaches, looked up once: .NET's reflection takes a microsecond each time.
/// </summary>
/// <typeparam name="T">The structure.</typeparam>
internal static class Layout<T>
    where T : unmanaged
{
    private static readonly Dictionary<string, int> s_offsets = Find();

    /// <summary>Bytes from the structure's start to a field.</summary>
    public static int Of(string field) => s_offsets[field];

    private static Dictionary<string, int> Find()
    {
        Dictionary<string, int> offsets = [];
        foreach (FieldInfo field in typeof(T).GetFields(BindingFlags.Instance | BindingFlags.Public))
        {
            offsets.Add(field.Name, (int)Marshal.OffsetOf<T>(field.Name));
        }

        return offsets;
    }
}

using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;

namespace PsVm.Machine.Devices.Folders;

/// <summary>The names that a guest has fids of. For one thread at a time.</summary>
/// <param name="most">Names that there may be.</param>
internal sealed class FolderTree(int most)
{
    private readonly Dictionary<Place, FolderNode> _nodes = new(new PlaceComparer());
    private readonly Dictionary<ulong, FolderObject> _objects = [];

    private Dictionary<Place, FolderNode>.AlternateLookup<PlaceSpan> Lookup => _nodes.GetAlternateLookup<PlaceSpan>();

    /// <summary>Names that there are.</summary>
    public int Count => _nodes.Count;

    /// <summary>Gets the node of a name, for a user more; null: there are too many.</summary>
    public FolderNode? Get(FolderNode parent, ReadOnlySpan<byte> name, ulong identity, byte type)
    {
        PlaceSpan place = new(parent, name);
        if (Lookup.TryGetValue(place, out FolderNode? node))
        {
            if (node.Object.Identity == identity && node.Object.Type == type)
            {
                node.References++;
                return node;
            }

            Drop(node);
        }

        if (_nodes.Count >= most)
        {
            return null;
        }

        node = new FolderNode(parent, name.ToArray(), GetObject(identity, type)) { References = 1 };
        parent.References++;
        _nodes.Add(new Place(parent, node.Name), node);
        return node;
    }

    /// <summary>Makes the node of the shared folder itself, which stays for good.</summary>
    public FolderNode GetRoot(ulong identity) => new(null, [], GetObject(identity, P9.FolderQid)) { References = 1 };

    /// <summary>Takes a user of a node away.</summary>
    public void Release(FolderNode node)
    {
        for (FolderNode? at = node; at is not null && --at.References == 0;)
        {
            FolderNode? parent = at.Parent;
            if (!at.IsGone && parent is not null)
            {
                _nodes.Remove(new Place(parent, at.Name));
            }

            at.IsGone = true;
            if (--at.Object.Nodes == 0 && _objects.TryGetValue(at.Object.Identity, out FolderObject? thing) && thing == at.Object)
            {
                _objects.Remove(thing.Identity);
            }

            at = parent;
        }
    }

    /// <summary>A name is nobody's any more.</summary>
    public void Forget(FolderNode parent, ReadOnlySpan<byte> name)
    {
        if (Lookup.TryGetValue(new PlaceSpan(parent, name), out FolderNode? node))
        {
            Drop(node);
        }
    }

    /// <summary>A name is another one now, and so is all that is below.</summary>
    public void Move(FolderNode parent, ReadOnlySpan<byte> name, FolderNode newParent, ReadOnlySpan<byte> newName)
    {
        bool isThere = Lookup.TryGetValue(new PlaceSpan(parent, name), out FolderNode? node);
        if (Lookup.TryGetValue(new PlaceSpan(newParent, newName), out FolderNode? replaced) && replaced != node)
        {
            Drop(replaced);
        }

        if (!isThere || replaced == node)
        {
            return;
        }

        // The host may have moved folders meanwhile, so that what the kernel did makes no sense here.
        for (FolderNode? above = newParent; above is not null; above = above.Parent)
        {
            if (above == node || above.IsGone)
            {
                Drop(node!);
                return;
            }
        }

        _nodes.Remove(new Place(parent, node!.Name));
        node.Name = newName.ToArray();
        node.Parent = newParent;
        newParent.References++;
        _nodes.Add(new Place(newParent, node.Name), node);
        Release(parent);
    }

    /// <summary>Writes where a node is below the folder, with a name behind it, and a NUL; a dot stands for the folder itself.</summary>
    /// <returns>Bytes of it; 0: there is no room; -1: nobody has that name any more.</returns>
    public static int WritePath(FolderNode node, ReadOnlySpan<byte> name, Span<byte> to)
    {
        // From the end.
        int at = to.Length - 1;
        to[at] = 0;
        if (!name.IsEmpty && !Prepend(name, to, ref at))
        {
            return 0;
        }

        for (FolderNode above = node; above.Parent is { } parent; above = parent)
        {
            if (above.IsGone)
            {
                return -1;
            }

            if (!Prepend(above.Name, to, ref at))
            {
                return 0;
            }
        }

        if (at == to.Length - 1)
        {
            to[--at] = (byte)'.';
        }

        int length = to.Length - at;
        to[at..].CopyTo(to);
        return length;
    }

    private FolderObject GetObject(ulong identity, byte type)
    {
        if (!_objects.TryGetValue(identity, out FolderObject? thing) || thing.Type != type)
        {
            // Numbers of what was removed are given again.
            _objects[identity] = thing = new FolderObject(identity, type);
        }

        thing.Nodes++;
        return thing;
    }

    private static bool Prepend(ReadOnlySpan<byte> name, Span<byte> to, ref int at)
    {
        bool isLast = at == to.Length - 1;
        int size = name.Length + (isLast ? 0 : 1);
        if (size > at)
        {
            return false;
        }

        if (!isLast)
        {
            to[--at] = (byte)'/';
        }

        at -= name.Length;
        name.CopyTo(to[at..]);
        return true;
    }

    private void Drop(FolderNode node)
    {
        Debug.Assert(node.Parent is not null && !node.IsGone, "what has a place is not gone");
        _nodes.Remove(new Place(node.Parent, node.Name));
        node.IsGone = true;
    }

    private readonly record struct Place(FolderNode Parent, byte[] Name);

    private readonly ref struct PlaceSpan(FolderNode parent, ReadOnlySpan<byte> name)
    {
        public FolderNode Parent { get; } = parent;

        public ReadOnlySpan<byte> Name { get; } = name;
    }

    // Hash codes of strings and bytes differ from process to process, so that nobody can choose names that collide.
    private sealed class PlaceComparer : IEqualityComparer<Place>, IAlternateEqualityComparer<PlaceSpan, Place>
    {
        public bool Equals(Place one, Place other) => one.Parent == other.Parent && one.Name.AsSpan().SequenceEqual(other.Name);

        public int GetHashCode([DisallowNull] Place place) => GetHashCode(new PlaceSpan(place.Parent, place.Name));

        public bool Equals(PlaceSpan one, Place other) => one.Parent == other.Parent && one.Name.SequenceEqual(other.Name);

        public int GetHashCode(PlaceSpan place)
        {
            HashCode hash = default;
            hash.Add(System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(place.Parent));
            hash.AddBytes(place.Name);
            return hash.ToHashCode();
        }

        public Place Create(PlaceSpan place) => new(place.Parent, place.Name.ToArray());
    }
}

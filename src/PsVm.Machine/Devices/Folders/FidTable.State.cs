namespace PsVm.Machine.Devices.Folders;

/// <content>What the guest has, written down.</content>
internal sealed partial class FidTable
{
    /// <summary>Writes down fids and the names that they are of.</summary>
    public void Save(FolderState state)
    {
        lock (_gate)
        {
            Dictionary<FolderNode, int> places = [];
            foreach (Fid fid in _fids.Values)
            {
                state.Fids.Add(new SavedFid(fid.Number, PlaceOf(fid.Node, places, state), fid.IsOpen, fid.Flags));
            }
        }
    }

    /// <summary>
    /// Has what was written down, and nothing else. Each is looked up when it is used, and is stale where it is another object then.
    /// </summary>
    /// <returns>False: it is more than there may be; nothing is there then.</returns>
    public bool TryRestore(FolderState state)
    {
        Clear();
        lock (_gate)
        {
            _root ??= _tree.GetRoot(root);
            List<FolderNode> nodes = [_root];
            bool isDone = state.Names.Count <= limits.MostNames;
            for (int i = 0; isDone && i < state.Names.Count; i++)
            {
                SavedName name = state.Names[i];
                FolderNode? node = _tree.Get(nodes[name.Parent], name.Name, name.Identity, name.Type);
                isDone = node is not null;
                if (node is not null)
                {
                    node.Object.ToldSize = name.ToldSize;
                    nodes.Add(node);
                }
            }

            for (int i = 0; isDone && i < state.Fids.Count; i++)
            {
                isDone = TryRestore(state.Fids[i], nodes);
            }

            nodes.Skip(1).Reverse().ToList().ForEach(_tree.Release); // fids hold those that they are of
            if (!isDone)
            {
                _fids.Values.ToList().ForEach(fid => _ = Leave(fid)); // none has a descriptor yet
                _fids.Clear();
            }

            return isDone;
        }
    }

    private bool TryRestore(SavedFid saved, List<FolderNode> nodes)
    {
        // One whose name was gone has a name that leads nowhere.
        FolderNode node = saved.Name != SavedFid.Gone
            ? nodes[saved.Name]
            : new FolderNode(nodes[0], [], new FolderObject(0, 0) { Nodes = 1 }) { IsGone = true };
        if (saved.Name == SavedFid.Gone)
        {
            nodes[0].References++;
        }

        if (Add(saved.Number, node, replaced: null) != P9Error.None)
        {
            return false;
        }

        (_fids[saved.Number].IsOpen, _fids[saved.Number].Flags) = (saved.IsOpen, saved.Flags);
        return true;
    }

    /// <returns>The number of its name; 0: it is the folder itself; <see cref="SavedFid.Gone"/>: it has no name any more.</returns>
    private static int PlaceOf(FolderNode node, Dictionary<FolderNode, int> places, FolderState state)
    {
        // A guest can have folders in each other that are more than a stack holds: it moves some that are deep into others that are.
        Stack<FolderNode> missing = [];
        int place = 0;
        for (FolderNode at = node; at.Parent is { } parent && !places.TryGetValue(at, out place); at = parent)
        {
            missing.Push(at);
            if (at.IsGone)
            {
                place = SavedFid.Gone;
                break;
            }
        }

        foreach (FolderNode at in missing)
        {
            if (place != SavedFid.Gone)
            {
                FolderObject thing = at.Object;
                state.Names.Add(new SavedName(place, at.Name, thing.Type, thing.Identity, thing.ToldSize));
                place = state.Names.Count;
            }

            places[at] = place;
        }

        return place;
    }
}

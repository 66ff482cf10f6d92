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

    /// <summary>Has what was written down, and nothing else. Each is looked up when it is used, and is stale where it is another object then.</summary>
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
        FolderNode node = saved.Name != SavedFid.Gone ? nodes[saved.Name] : new FolderNode(nodes[0], [], new FolderObject(0, 0) { Nodes = 1 }) { IsGone = true };
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

    private static int PlaceOf(FolderNode node, Dictionary<FolderNode, int> places, FolderState state)
    {
        if (node.Parent is not { } parent)
        {
            return 0;
        }

        if (places.TryGetValue(node, out int place))
        {
            return place;
        }

        int above = node.IsGone ? SavedFid.Gone : PlaceOf(parent, places, state);
        if (above != SavedFid.Gone)
        {
            FolderObject thing = node.Object;
            state.Names.Add(new SavedName(above, node.Name, thing.Type, thing.Identity, thing.ToldSize));
            place = state.Names.Count;
        }

        return places[node] = above == SavedFid.Gone ? SavedFid.Gone : place;
    }
}

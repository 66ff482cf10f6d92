using System.Numerics;
using PsVm.Riscv.Memory;

namespace PsVm.Riscv.Mmu;

/// <summary>Physical memory protection, 16 entries, 4-byte granularity (privileged manual, section 3.7).</summary>
internal sealed class Pmp
{
    public const int Entries = 16;
    private const byte Read = 1, Write = 2, Execute = 4, MatchMask = 0x18, TopOfRange = 0x08, Na4 = 0x10, Locked = 0x80;
    private const ulong AddressMask = (1ul << 54) - 1;

    private readonly byte[] _config = new byte[Entries];
    private readonly ulong[] _address = new ulong[Entries];
    private readonly (ulong First, ulong Last)[] _range = new (ulong, ulong)[Entries];
    private int _active;

    /// <summary>Reads pmpcfg0 or pmpcfg2: eight entries' configuration.</summary>
    public ulong ReadConfig(int first)
    {
        ulong value = 0;
        for (int i = 0; i < 8; i++)
        {
            value |= (ulong)_config[first + i] << (8 * i);
        }

        return value;
    }

    /// <summary>Writes pmpcfg0 or pmpcfg2; locked entries keep theirs.</summary>
    public void WriteConfig(int first, ulong value)
    {
        if (value == ReadConfig(first))
        {
            return;
        }

        for (int i = 0; i < 8; i++)
        {
            byte config = (byte)((value >> (8 * i)) & 0x9f);
            bool reservedCombination = (config & (Read | Write)) == Write;
            if ((_config[first + i] & Locked) == 0 && !reservedCombination)
            {
                _config[first + i] = config;
            }
        }

        Update();
    }

    /// <summary>Reads a pmpaddr register.</summary>
    public ulong ReadAddress(int index) => _address[index];

    /// <summary>Writes a pmpaddr register, unless it or the range it begins is locked.</summary>
    public void WriteAddress(int index, ulong value)
    {
        bool begins = index + 1 < Entries && (_config[index + 1] & (Locked | MatchMask)) == (Locked | TopOfRange);
        if ((_config[index] & Locked) == 0 && !begins && _address[index] != (value & AddressMask))
        {
            _address[index] = value & AddressMask;
            Update();
        }
    }

    /// <summary>Whether an access is allowed.</summary>
    /// <param name="address">Physical address.</param>
    /// <param name="size">Bytes.</param>
    /// <param name="access">What is done.</param>
    /// <param name="mode">The effective privilege mode.</param>
    public bool Allows(ulong address, ulong size, Access access, PrivilegeMode mode) =>
        Check(address, size, access, mode) ?? false;

    /// <summary>Whether one answer holds for every access of the kind to a page, and that answer is yes.</summary>
    public bool AllowsWholePage(ulong address, Access access, PrivilegeMode mode) =>
        Check(address & ~(PhysicalMemory.PageSize - 1), PhysicalMemory.PageSize, access, mode) ?? false;

    /// <summary>Null: an entry matches only part of the range.</summary>
    private bool? Check(ulong address, ulong size, Access access, PrivilegeMode mode)
    {
        ulong last = address + size - 1;
        for (int i = 0; i < _active; i++)
        {
            if ((_config[i] & MatchMask) == 0 || last < _range[i].First || address > _range[i].Last)
            {
                continue;
            }

            if (address < _range[i].First || last > _range[i].Last)
            {
                return null;
            }

            byte need = access switch { Access.Load => Read, Access.Store => Write, _ => Execute };
            return (mode == PrivilegeMode.Machine && (_config[i] & Locked) == 0) || (_config[i] & need) != 0;
        }

        return mode == PrivilegeMode.Machine || _active == 0;
    }

    private void Update()
    {
        _active = 0;
        for (int i = 0; i < Entries; i++)
        {
            ulong address = _address[i] << 2;
            switch (_config[i] & MatchMask)
            {
                case 0:
                    continue;
                case TopOfRange:
                    ulong first = i == 0 ? 0 : _address[i - 1] << 2;
                    _range[i] = first < address ? (first, address - 1) : (ulong.MaxValue, 0);
                    break;
                case Na4:
                    _range[i] = (address, address + 3);
                    break;
                default:
                    int ones = BitOperations.TrailingZeroCount(~_address[i]);
                    ulong bytes = 8ul << ones;
                    ulong start = (_address[i] & ~((1ul << ones) - 1)) << 2;
                    _range[i] = (start, start + bytes - 1);
                    break;
            }

            _active = i + 1;
        }
    }
}

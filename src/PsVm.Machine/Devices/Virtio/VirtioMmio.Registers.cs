using System.Buffers.Binary;

namespace PsVm.Machine.Devices.Virtio;

/// <content>Its registers, and the device's configuration space behind them. Source: VIRTIO 1.2, section 4.2.2.</content>
internal sealed partial class VirtioMmio
{
    private const uint Magic = 0x7472_6976; // "virt"
    private const uint Version = 2;
    private const uint Vendor = 0x4d56_7350; // "PsVM"

    private uint ReadRegister(ulong offset)
    {
        VirtioQueue? queue = _queueSelected < _queues.Length ? _queues[_queueSelected] : null;
        return offset switch
        {
            0x000 => Magic,
            0x004 => Version,
            0x008 => _device?.DeviceId ?? 0,
            0x00c => Vendor,
            0x010 => _featuresSelected < 2 ? (uint)(_features >> (32 * (int)_featuresSelected)) : 0,
            0x034 => (uint)(queue?.MaxSize ?? 0),
            0x044 => queue?.IsReady == true ? 1u : 0,
            0x060 => _interruptStatus,
            0x070 => _status,
            0x0b0 or 0x0b4 or 0x0b8 or 0x0bc => uint.MaxValue, // there is no shared memory
            0x0fc => _configGeneration,
            _ => 0,
        };
    }

    private void WriteRegister(ulong offset, uint value)
    {
        // Where a queue is, is said before it is ready.
        VirtioQueue? queue = _queueSelected < _queues.Length && !_queues[_queueSelected].IsReady ? _queues[_queueSelected] : null;
        switch (offset)
        {
            case 0x014:
                _featuresSelected = value;
                break;
            case 0x020 when (_status & FeaturesOk) == 0 && _driverFeaturesSelected < 2:
                _driverFeatures = Half(_driverFeatures, (int)_driverFeaturesSelected, value);
                break;
            case 0x024:
                _driverFeaturesSelected = value;
                break;
            case 0x030:
                _queueSelected = value;
                break;
            case 0x038 when queue is not null:
                queue.Size = value;
                break;
            case 0x044:
                SetReady(value == 1);
                break;
            case 0x050 when value < _queues.Length:
                Notify((int)value);
                break;
            case 0x064:
                _interruptStatus &= ~value;
                UpdateInterrupt();
                break;
            case 0x070:
                SetStatus(value);
                break;
            case 0x080 or 0x084 when queue is not null:
                queue.Descriptors = Half(queue.Descriptors, (int)(offset & 4) / 4, value);
                break;
            case 0x090 or 0x094 when queue is not null:
                queue.Driver = Half(queue.Driver, (int)(offset & 4) / 4, value);
                break;
            case 0x0a0 or 0x0a4 when queue is not null:
                queue.Device = Half(queue.Device, (int)(offset & 4) / 4, value);
                break;
        }
    }

    private static ulong Half(ulong whole, int half, uint value) =>
        half == 0 ? (whole & 0xffff_ffff_0000_0000) | value : (uint)whole | ((ulong)value << 32);

    private ulong ReadConfig(ulong offset, int size)
    {
        Span<byte> value = stackalloc byte[sizeof(ulong)];
        if (_device is { ConfigSize: var length } && offset < (ulong)length)
        {
            Span<byte> config = stackalloc byte[length];
            config.Clear();
            _device.ReadConfig(config);
            config[(int)offset..Math.Min(length, (int)offset + size)].CopyTo(value);
        }

        return BinaryPrimitives.ReadUInt64LittleEndian(value);
    }

    private void WriteConfig(ulong offset, int size, ulong value)
    {
        if (_device is { ConfigSize: var length } && offset + (uint)size <= (ulong)length)
        {
            Span<byte> bytes = stackalloc byte[sizeof(ulong)];
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
            _device.WriteConfig((int)offset, bytes[..size]);
        }
    }
}

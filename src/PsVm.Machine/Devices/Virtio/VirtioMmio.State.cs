using PsVm.Machine.State;

namespace PsVm.Machine.Devices.Virtio;

/// <content>Its state, as templates have it.</content>
internal sealed partial class VirtioMmio
{
    public void Transfer(StateStream state)
    {
        lock (_gate)
        {
            uint id = _device?.DeviceId ?? 0;
            state.Transfer(ref id);
            if (id != (_device?.DeviceId ?? 0))
            {
                throw new InvalidDataException($"a virtio device of type {id}, expected type {_device?.DeviceId ?? 0}");
            }

            if (_others is not null && IsLive && !state.IsReading)
            {
                // Others had the queues: where they are now is in RAM, and what the driver was not told of yet, it is to look for.
                Array.ForEach(_queues, queue => queue.FindUsed());
                _interruptStatus |= UsedBuffer;
            }

            state.Transfer(ref _status);
            state.Transfer(ref _featuresSelected);
            state.Transfer(ref _driverFeaturesSelected);
            state.Transfer(ref _queueSelected);
            state.Transfer(ref _driverFeatures);
            state.Transfer(ref _interruptStatus);
            state.Transfer(ref _configGeneration);
            ulong pending = _pending | (state.IsReading ? 0 : Unaccepted());
            state.Transfer(ref pending);
            _pending = state.IsReading ? pending : _pending;
            if (state.TransferCount(_queues.Length, 1) != _queues.Length)
            {
                throw new InvalidDataException($"another number of queues than {_queues.Length}");
            }

            Array.ForEach(_queues, queue => queue.Transfer(state));
            _device?.Transfer(state);
            if (state.IsReading)
            {
                Check();
                GoOn();
            }
        }
    }

    /// <summary>Queues that the device waits with, as bits: what it waits for is the host's, so a clone looks at them again.</summary>
    private ulong Unaccepted()
    {
        ulong waiting = 0;
        for (int queue = 0; IsLive && queue < _queues.Length; queue++)
        {
            waiting |= _queues[queue].IsReady && (_others is not null || !_device!.Accepts(queue)) ? 1ul << queue : 0;
        }

        return waiting;
    }

    /// <summary>What no driver can have come to, by these registers.</summary>
    private void Check()
    {
        bool agreed = (_status & FeaturesOk) == 0
            || ((_driverFeatures & ~_features) == 0 && (_driverFeatures & Version1Feature) != 0);
        bool exists = (_status & ~(DriversBits | NeedsReset)) == 0 && (_interruptStatus & ~(UsedBuffer | ConfigChange)) == 0
            && (_pending & ~(_queues.Length == 64 ? ulong.MaxValue : (1ul << _queues.Length) - 1)) == 0
            && (_device is not null || _status == 0)
            && ((_status & DriverOk) == 0 || (_status & FeaturesOk) != 0);
        if (!agreed || !exists)
        {
            throw new InvalidDataException(agreed ? "bits that do not exist" : "features that the device does not have");
        }
    }
}

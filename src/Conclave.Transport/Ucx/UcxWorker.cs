using System.Runtime.InteropServices;

namespace Conclave.Transport.Ucx;

/// <summary>A UCX context with one worker: the calls that the transport makes, with their parameters.</summary>
internal sealed unsafe partial class UcxWorker : IDisposable
{
    private const ulong WholeTag = ulong.MaxValue;
    private const short PollIn = 1;

    private readonly int _eventDescriptor;
    private nint _context;
    private nint _worker;

    /// <summary>Initializes UCX for a world of the given size.</summary>
    /// <exception cref="InvalidOperationException">UCX refused.</exception>
    public UcxWorker(int world)
    {
        UcpParams parameters = new()
        {
            FieldMask = Ucp.ParamFieldFeatures | Ucp.ParamFieldMtWorkersShared | Ucp.ParamFieldEstimatedNumEps,
            Features = Ucp.FeatureTag | Ucp.FeatureWakeup,
            EstimatedNumEps = (nuint)world,
        };
        Check(Ucp.InitVersion(Ucp.ApiMajor, Ucp.ApiMinor, &parameters, null, out _context), "could not be initialized");
        try
        {
            UcpWorkerParams worker = new() { FieldMask = Ucp.WorkerParamFieldThreadMode, ThreadMode = Ucp.ThreadModeSerialized };
            Check(Ucp.WorkerCreate(_context, &worker, out _worker), "made no worker", SharedMemory);
            Check(Ucp.WorkerGetEfd(_worker, out _eventDescriptor), "has no descriptor to wait on");
            Check(Ucp.WorkerGetAddress(_worker, out byte* address, out nuint length), "named no address");
            Address = new ReadOnlySpan<byte>(address, checked((int)length)).ToArray();
            Ucp.WorkerReleaseAddress(_worker, address);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>UCX's worker, for who measures UCX without the transport.</summary>
    public nint Handle => _worker;

    /// <summary>UCX's address of the worker.</summary>
    public byte[] Address { get; }

    /// <summary>Does what can be done now; callbacks run inside. Returns whether anything was done.</summary>
    public bool Progress() => Ucp.WorkerProgress(_worker) != 0;

    /// <summary>Sleeps until there is something to do; where there is already, lets others run, since it may be that one of them has to take something first.</summary>
    public void Sleep(TimeSpan atMost)
    {
        if (Ucp.WorkerArm(_worker) == Ucp.Ok)
        {
            PollDescriptor descriptor = new() { Descriptor = _eventDescriptor, Events = PollIn };
            _ = WaitForEvents(&descriptor, 1, (int)Math.Clamp(Math.Ceiling(atMost.TotalMilliseconds), 0, int.MaxValue));
        }
        else
        {
            Thread.Yield();
        }
    }

    /// <summary>Makes an endpoint to a worker; only one that reports failures notices a peer's death.</summary>
    /// <returns>What UCX says.</returns>
    public sbyte Connect(ReadOnlySpan<byte> address, UcxFailure* failure, bool reportsFailures, out nint endpoint)
    {
        fixed (byte* bytes = address)
        {
            UcpEpParams parameters = new()
            {
                FieldMask = Ucp.EpParamFieldRemoteAddress | Ucp.EpParamFieldErrHandlingMode | Ucp.EpParamFieldErrHandler,
                Address = bytes,
                ErrMode = reportsFailures ? Ucp.ErrHandlingModePeer : Ucp.ErrHandlingModeNone,
                ErrHandlerCb = &UcxFailure.OnFailure,
                ErrHandlerArg = failure,
            };
            return Ucp.EpCreate(_worker, &parameters, out endpoint);
        }
    }

    /// <summary>Posts a receive of at most <paramref name="bytes"/> into the slot's memory.</summary>
    public sbyte Receive(UcxSlot* slot, int bytes, ulong tag)
    {
        UcpTagRecvInfo info;
        UcpRequestParam parameters = new()
        {
            OpAttrMask = Ucp.OpAttrFieldCallback | Ucp.OpAttrFieldUserData | Ucp.OpAttrFieldDatatype | Ucp.OpAttrFieldRecvInfo,
            Cb = (delegate* unmanaged<void*, sbyte, UcpTagRecvInfo*, void*, void>)&UcxSlot.OnReceived,
            UserData = slot,
            Datatype = Ucp.DatatypeBytes,
            RecvInfo = &info,
        };
        slot->State = SlotState.Posted;
        nint request = Ucp.TagRecv(_worker, slot->Memory, (nuint)bytes, tag, WholeTag, &parameters);
        return Posted(slot, request, info.Length);
    }

    /// <summary>Sends the slot's envelope and the payload, if there is one.</summary>
    public sbyte Send(nint endpoint, UcxSlot* slot, NativeSlice payload, ulong tag)
    {
        slot->FirstPart = new UcpDtIov { Buffer = &slot->Envelope, Length = (nuint)sizeof(Envelope) };
        slot->SecondPart = new UcpDtIov { Buffer = payload.Data, Length = (nuint)payload.Length };
        UcpRequestParam parameters = new()
        {
            OpAttrMask = Ucp.OpAttrFieldCallback | Ucp.OpAttrFieldUserData | Ucp.OpAttrFieldDatatype,
            Cb = (delegate* unmanaged<void*, sbyte, void*, void>)&UcxSlot.OnSent,
            UserData = slot,
            Datatype = Ucp.DatatypeIov,
        };
        slot->State = SlotState.Posted;
        nint request = Ucp.TagSend(endpoint, &slot->FirstPart, payload.Length == 0 ? 1u : 2u, tag, &parameters);
        return Posted(slot, request, 0);
    }

    /// <summary>Takes back a posted receive; its slot comes to the mailbox.</summary>
    public void Cancel(UcxSlot* slot) => Ucp.RequestCancel(_worker, slot->Request);

    /// <summary>Closes an endpoint, by force or after what was sent has left. The request is 0 where nothing is left to do.</summary>
    public static nint Close(nint endpoint, bool force)
    {
        UcpRequestParam parameters = new() { OpAttrMask = Ucp.OpAttrFieldFlags, Flags = force ? Ucp.EpCloseFlagForce : 0 };
        nint request = Ucp.EpClose(endpoint, &parameters);
        return Ucp.IsError(request, out _) ? 0 : request;
    }

    /// <summary>Throws away the next message that no receive was posted for; false where there is none.</summary>
    public bool TryRefuse(out ulong tag)
    {
        UcpTagRecvInfo info;
        nint message = Ucp.TagProbe(_worker, 0, 0, remove: 1, &info);
        tag = message == 0 ? 0 : info.SenderTag;
        if (message == 0)
        {
            return false;
        }

        byte nowhere;
        UcpRequestParam parameters = new() { OpAttrMask = Ucp.OpAttrFieldDatatype, Datatype = Ucp.DatatypeBytes };
        nint request = Ucp.TagMsgRecv(_worker, &nowhere, 0, message, &parameters);
        if (request != 0 && !Ucp.IsError(request, out _))
        {
            Ucp.RequestFree(request);
        }

        return true;
    }

    public void Dispose()
    {
        if (_worker != 0)
        {
            Ucp.WorkerDestroy(_worker);
            _worker = 0;
        }

        if (_context != 0)
        {
            Ucp.Cleanup(_context);
            _context = 0;
        }
    }

    private static sbyte Posted(UcxSlot* slot, nint request, nuint length)
    {
        if (Ucp.IsError(request, out sbyte status))
        {
            return status;
        }

        if (request == 0)
        {
            slot->Status = Ucp.Ok;
            slot->Length = length;
            slot->Mailbox->Put(slot);
        }
        else if (slot->State == SlotState.Posted)
        {
            slot->Request = request;
        }

        return Ucp.Ok;
    }

    private static void Check(sbyte status, string what, Func<string>? hint = null)
    {
        if (status != Ucp.Ok)
        {
            throw new InvalidOperationException($"UCX {what}: {Ucp.Describe(status)}{hint?.Invoke()}");
        }
    }

    // Containers often have 64 MB of it.
    private static string SharedMemory()
    {
        const string Folder = "/dev/shm";
        return Directory.Exists(Folder)
            ? $"; its queues lie in {Folder}, which has {new DriveInfo(Folder).AvailableFreeSpace >> 20} MiB left: make it larger (containers: --shm-size), or start fewer ranks"
            : $"; its queues lie in {Folder}, which there is not";
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }

    [LibraryImport("libc", EntryPoint = "poll")]
    private static partial int WaitForEvents(PollDescriptor* descriptors, ulong count, int milliseconds);
}

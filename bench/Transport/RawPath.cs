using System.Diagnostics;
using Conclave.Primitives;
using Conclave.Transport.Ucx;

namespace Conclave.Transport.Bench;

/// <summary>The same over UCX itself: plain tagged messages without envelope, credits or checks, each receive posted where it is waited for, up to a window of sends under way.</summary>
internal sealed unsafe class RawPath : IMeasuredPath, IDisposable
{
    private const ulong MessageTag = 1;
    private const int Window = 8;

    private readonly UcxWorker _worker;
    private readonly NativeBuffer _payload;
    private readonly NativeBuffer _place;
    private readonly NativeBuffer _failure;
    private readonly Queue<nint> _sends = [];
    private readonly Queue<nint> _receives = [];
    private readonly nint _endpoint;
    private readonly int _most;

    public RawPath(int rank, int most, Func<byte[], byte[]> meet)
    {
        UcxLibrary.Require();
        Rank = rank;
        _most = most;
        _worker = new UcxWorker(2);
        _payload = new NativeBuffer(most);
        _place = new NativeBuffer(most);
        _failure = new NativeBuffer(sizeof(UcxFailure));
        sbyte status = _worker.Connect(meet(_worker.Address), (UcxFailure*)_failure.Data, reportsFailures: true, out _endpoint);
        if (status != Ucp.Ok)
        {
            throw new InvalidOperationException($"the peer cannot be reached: {Ucp.Describe(status)}");
        }
    }

    public int Rank { get; }

    public void Send(int bytes)
    {
        UcpRequestParam parameters = new() { OpAttrMask = Ucp.OpAttrFieldDatatype, Datatype = Ucp.DatatypeBytes };
        Start(_sends, Ucp.TagSend(_endpoint, _payload.Data, (nuint)bytes, MessageTag, &parameters));
        while (_sends.Count >= Window)
        {
            Finish(_sends);
        }
    }

    public void Receive(int messages)
    {
        UcpTagRecvInfo info;
        UcpRequestParam parameters = new() { OpAttrMask = Ucp.OpAttrFieldDatatype | Ucp.OpAttrFieldRecvInfo, Datatype = Ucp.DatatypeBytes, RecvInfo = &info };
        for (int posted = 0; posted < messages; posted++)
        {
            while (_receives.Count >= Window)
            {
                Finish(_receives);
            }

            Start(_receives, Ucp.TagRecv(_worker.Handle, _place.Data, (nuint)_most, MessageTag, ulong.MaxValue, &parameters));
        }

        while (_receives.Count > 0)
        {
            Finish(_receives);
        }

        while (_sends.Count > 0)
        {
            Finish(_sends);
        }
    }

    public void Dispose()
    {
        UcxWorker.Close(_endpoint, force: false);
        long start = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(start) < TimeSpan.FromMilliseconds(300))
        {
            _worker.Progress();
        }

        _worker.Dispose();
        _payload.Dispose();
        _place.Dispose();
        _failure.Dispose();
    }

    private static void Start(Queue<nint> requests, nint request)
    {
        if (Ucp.IsError(request, out sbyte status))
        {
            throw new UnreachableException(Ucp.Describe(status));
        }

        if (request != 0)
        {
            requests.Enqueue(request);
        }
    }

    private void Finish(Queue<nint> requests)
    {
        nint request = requests.Dequeue();
        while (Ucp.RequestCheckStatus(request) == Ucp.InProgress)
        {
            if (!_worker.Progress())
            {
                Thread.Yield();
            }
        }

        Ucp.RequestFree(request);
    }
}

using System.Runtime.InteropServices;

namespace Conclave.Transport.Ucx;

/// <summary>
/// The part of UCX's UCP interface that the transport needs, by its own names. A status is one byte. What returns a request gives null for "done", a pointer for "under way", or a
/// pointer above (ulong)-100 that is an error. Progress runs managed callbacks, so none of these calls may suppress the transition of the garbage collector.
/// </summary>
internal static unsafe partial class Ucp
{
    public const uint ApiMajor = 1;
    public const uint ApiMinor = 13;

    public const ulong FeatureTag = 1;
    public const ulong FeatureWakeup = 16;
    public const ulong ParamFieldFeatures = 1;
    public const ulong ParamFieldMtWorkersShared = 32;
    public const ulong ParamFieldEstimatedNumEps = 64;
    public const ulong WorkerParamFieldThreadMode = 1;
    public const int ThreadModeSerialized = 1;
    public const ulong EpParamFieldRemoteAddress = 1;
    public const ulong EpParamFieldErrHandlingMode = 2;
    public const ulong EpParamFieldErrHandler = 4;
    public const int ErrHandlingModeNone = 0;
    public const int ErrHandlingModePeer = 1;
    public const uint OpAttrFieldCallback = 2;
    public const uint OpAttrFieldUserData = 4;
    public const uint OpAttrFieldDatatype = 8;
    public const uint OpAttrFieldFlags = 16;
    public const uint OpAttrFieldRecvInfo = 128;
    public const uint EpCloseFlagForce = 1;
    public const ulong DatatypeIov = 2;
    public const ulong DatatypeBytes = 8;
    public const sbyte Ok = 0;
    public const sbyte InProgress = 1;
    public const sbyte ErrMessageTruncated = -9;

    private const string Library = UcxLibrary.Name;
    private const ulong FirstErrorPointer = unchecked((ulong)-100L);

    /// <summary>Whether what a call returned is an error, and which.</summary>
    public static bool IsError(nint request, out sbyte status)
    {
        bool error = (ulong)request >= FirstErrorPointer;
        status = error ? (sbyte)request : Ok;
        return error;
    }

    /// <summary>UCX's words for a status.</summary>
    public static string Describe(sbyte status) => Marshal.PtrToStringUTF8((nint)StatusString(status)) ?? $"UCX status {status}";

    [LibraryImport(Library, EntryPoint = "ucp_init_version")]
    public static partial sbyte InitVersion(uint major, uint minor, UcpParams* parameters, void* config, out nint context);

    [LibraryImport(Library, EntryPoint = "ucp_cleanup")]
    public static partial void Cleanup(nint context);

    [LibraryImport(Library, EntryPoint = "ucp_worker_create")]
    public static partial sbyte WorkerCreate(nint context, UcpWorkerParams* parameters, out nint worker);

    [LibraryImport(Library, EntryPoint = "ucp_worker_destroy")]
    public static partial void WorkerDestroy(nint worker);

    [LibraryImport(Library, EntryPoint = "ucp_worker_get_address")]
    public static partial sbyte WorkerGetAddress(nint worker, out byte* address, out nuint length);

    [LibraryImport(Library, EntryPoint = "ucp_worker_release_address")]
    public static partial void WorkerReleaseAddress(nint worker, byte* address);

    [LibraryImport(Library, EntryPoint = "ucp_worker_get_efd")]
    public static partial sbyte WorkerGetEfd(nint worker, out int descriptor);

    [LibraryImport(Library, EntryPoint = "ucp_worker_arm")]
    public static partial sbyte WorkerArm(nint worker);

    [LibraryImport(Library, EntryPoint = "ucp_worker_progress")]
    public static partial uint WorkerProgress(nint worker);

    [LibraryImport(Library, EntryPoint = "ucp_ep_create")]
    public static partial sbyte EpCreate(nint worker, UcpEpParams* parameters, out nint endpoint);

    [LibraryImport(Library, EntryPoint = "ucp_ep_close_nbx")]
    public static partial nint EpClose(nint endpoint, UcpRequestParam* parameters);

    [LibraryImport(Library, EntryPoint = "ucp_tag_send_nbx")]
    public static partial nint TagSend(nint endpoint, void* buffer, nuint count, ulong tag, UcpRequestParam* parameters);

    [LibraryImport(Library, EntryPoint = "ucp_tag_recv_nbx")]
    public static partial nint TagRecv(nint worker, void* buffer, nuint count, ulong tag, ulong tagMask, UcpRequestParam* parameters);

    [LibraryImport(Library, EntryPoint = "ucp_tag_probe_nb")]
    public static partial nint TagProbe(nint worker, ulong tag, ulong tagMask, int remove, UcpTagRecvInfo* info);

    [LibraryImport(Library, EntryPoint = "ucp_tag_msg_recv_nbx")]
    public static partial nint TagMsgRecv(nint worker, void* buffer, nuint count, nint message, UcpRequestParam* parameters);

    [LibraryImport(Library, EntryPoint = "ucp_request_check_status")]
    public static partial sbyte RequestCheckStatus(nint request);

    [LibraryImport(Library, EntryPoint = "ucp_request_cancel")]
    public static partial void RequestCancel(nint worker, nint request);

    [LibraryImport(Library, EntryPoint = "ucp_request_free")]
    public static partial void RequestFree(nint request);

    // It lives in libucs, which libucp brings along.
    [LibraryImport("libucs.so.0", EntryPoint = "ucs_status_string")]
    private static partial byte* StatusString(sbyte status);
}

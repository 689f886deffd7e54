using System.Runtime.InteropServices;

namespace Conclave.Transport.Ucx;

// Names, sizes and offsets are those of ucp/api/ucp.h (1.13); a test compares them with what scripts/ucx-layout.c printed. A structure ends in fields that are not
// declared here: the field mask says that they are not set.

/// <summary>ucp_params_t</summary>
[StructLayout(LayoutKind.Explicit, Size = 80)]
internal struct UcpParams
{
    [FieldOffset(0)]
    public ulong FieldMask;
    [FieldOffset(8)]
    public ulong Features;
    [FieldOffset(48)]
    public int MtWorkersShared;
    [FieldOffset(56)]
    public nuint EstimatedNumEps;
}

/// <summary>ucp_worker_params_t; 128 bytes of it are a CPU set.</summary>
[StructLayout(LayoutKind.Explicit, Size = 200)]
internal struct UcpWorkerParams
{
    [FieldOffset(0)]
    public ulong FieldMask;
    [FieldOffset(8)]
    public int ThreadMode;
}

/// <summary>ucp_ep_params_t</summary>
[StructLayout(LayoutKind.Explicit, Size = 104)]
internal unsafe struct UcpEpParams
{
    [FieldOffset(0)]
    public ulong FieldMask;
    [FieldOffset(8)]
    public byte* Address;
    [FieldOffset(16)]
    public int ErrMode;
    [FieldOffset(24)]
    public delegate* unmanaged<void*, nint, sbyte, void> ErrHandlerCb;
    [FieldOffset(32)]
    public void* ErrHandlerArg;
}

/// <summary>ucp_request_param_t</summary>
[StructLayout(LayoutKind.Explicit, Size = 72)]
internal unsafe struct UcpRequestParam
{
    [FieldOffset(0)]
    public uint OpAttrMask;
    [FieldOffset(4)]
    public uint Flags;
    [FieldOffset(16)]
    public void* Cb;
    [FieldOffset(24)]
    public ulong Datatype;
    [FieldOffset(32)]
    public void* UserData;
    [FieldOffset(56)]
    public UcpTagRecvInfo* RecvInfo;
}

/// <summary>ucp_tag_recv_info_t</summary>
[StructLayout(LayoutKind.Explicit, Size = 16)]
internal struct UcpTagRecvInfo
{
    [FieldOffset(0)]
    public ulong SenderTag;
    [FieldOffset(8)]
    public nuint Length;
}

/// <summary>ucp_dt_iov_t</summary>
[StructLayout(LayoutKind.Explicit, Size = 16)]
internal unsafe struct UcpDtIov
{
    [FieldOffset(0)]
    public void* Buffer;
    [FieldOffset(8)]
    public nuint Length;
}

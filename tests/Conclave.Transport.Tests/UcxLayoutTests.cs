using System.Runtime.InteropServices;
using Conclave.Testing;
using Conclave.Transport.Ucx;

namespace Conclave.Transport.Tests;

public sealed class UcxLayoutTests
{
    private static readonly Dictionary<string, Type> Structures = new()
    {
        ["ucp_params_t"] = typeof(UcpParams),
        ["ucp_worker_params_t"] = typeof(UcpWorkerParams),
        ["ucp_ep_params_t"] = typeof(UcpEpParams),
        ["ucp_request_param_t"] = typeof(UcpRequestParam),
        ["ucp_tag_recv_info_t"] = typeof(UcpTagRecvInfo),
        ["ucp_dt_iov_t"] = typeof(UcpDtIov),
    };

    // What a C compiler said of UCX's headers: scripts/ucx-layout.c.
    private static readonly Dictionary<string, long> Table = File.ReadLines(Repository.Data("transport", "ucx-layout.txt"))
        .ToDictionary(line => line[..line.LastIndexOf(' ')], line => long.Parse(line[(line.LastIndexOf(' ') + 1)..]), StringComparer.Ordinal);

    [Fact]
    public void Structures_have_the_sizes_and_offsets_of_the_library()
    {
        Assert.Equal(1, Table["ucs_status_t size"]);
        foreach ((string name, Type type) in Structures)
        {
            Assert.Equal(Table[$"{name} size"], Marshal.SizeOf(type));
            foreach (string line in Table.Keys.Where(key => key.StartsWith($"{name}.", StringComparison.Ordinal)))
            {
                string field = line[(name.Length + 1)..];
                if (field != "err_handler")
                {
                    Assert.Equal(Table[line], (long)Marshal.OffsetOf(type, Pascal(field)));
                }
            }

            Assert.All(type.GetFields(), field => Assert.True(
                field.Name.StartsWith("ErrHandler", StringComparison.Ordinal) || Table.Keys.Any(key => key.StartsWith($"{name}.", StringComparison.Ordinal) && Pascal(key[(name.Length + 1)..]) == field.Name),
                $"{type.Name}.{field.Name} is not in the table"));
        }

        long handler = Table["ucp_ep_params_t.err_handler"];
        Assert.Equal(handler + Table["ucp_err_handler_t.cb"], (long)Marshal.OffsetOf<UcpEpParams>(nameof(UcpEpParams.ErrHandlerCb)));
        Assert.Equal(handler + Table["ucp_err_handler_t.arg"], (long)Marshal.OffsetOf<UcpEpParams>(nameof(UcpEpParams.ErrHandlerArg)));
    }

    [Theory]
    [InlineData("UCP_FEATURE_TAG", (long)Ucp.FeatureTag)]
    [InlineData("UCP_FEATURE_WAKEUP", (long)Ucp.FeatureWakeup)]
    [InlineData("UCP_PARAM_FIELD_FEATURES", (long)Ucp.ParamFieldFeatures)]
    [InlineData("UCP_PARAM_FIELD_MT_WORKERS_SHARED", (long)Ucp.ParamFieldMtWorkersShared)]
    [InlineData("UCP_PARAM_FIELD_ESTIMATED_NUM_EPS", (long)Ucp.ParamFieldEstimatedNumEps)]
    [InlineData("UCP_WORKER_PARAM_FIELD_THREAD_MODE", (long)Ucp.WorkerParamFieldThreadMode)]
    [InlineData("UCS_THREAD_MODE_SERIALIZED", (long)Ucp.ThreadModeSerialized)]
    [InlineData("UCP_EP_PARAM_FIELD_REMOTE_ADDRESS", (long)Ucp.EpParamFieldRemoteAddress)]
    [InlineData("UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE", (long)Ucp.EpParamFieldErrHandlingMode)]
    [InlineData("UCP_EP_PARAM_FIELD_ERR_HANDLER", (long)Ucp.EpParamFieldErrHandler)]
    [InlineData("UCP_ERR_HANDLING_MODE_NONE", (long)Ucp.ErrHandlingModeNone)]
    [InlineData("UCP_ERR_HANDLING_MODE_PEER", (long)Ucp.ErrHandlingModePeer)]
    [InlineData("UCP_OP_ATTR_FIELD_CALLBACK", (long)Ucp.OpAttrFieldCallback)]
    [InlineData("UCP_OP_ATTR_FIELD_USER_DATA", (long)Ucp.OpAttrFieldUserData)]
    [InlineData("UCP_OP_ATTR_FIELD_DATATYPE", (long)Ucp.OpAttrFieldDatatype)]
    [InlineData("UCP_OP_ATTR_FIELD_FLAGS", (long)Ucp.OpAttrFieldFlags)]
    [InlineData("UCP_OP_ATTR_FIELD_RECV_INFO", (long)Ucp.OpAttrFieldRecvInfo)]
    [InlineData("UCP_EP_CLOSE_FLAG_FORCE", (long)Ucp.EpCloseFlagForce)]
    [InlineData("UCP_DATATYPE_IOV", (long)Ucp.DatatypeIov)]
    [InlineData("ucp_dt_make_contig(1)", (long)Ucp.DatatypeBytes)]
    [InlineData("UCS_OK", (long)Ucp.Ok)]
    [InlineData("UCS_INPROGRESS", (long)Ucp.InProgress)]
    [InlineData("UCS_ERR_MESSAGE_TRUNCATED", (long)Ucp.ErrMessageTruncated)]
    public void Constants_have_the_values_of_the_library(string name, long value) => Assert.Equal(Table[name], value);

    private static string Pascal(string name) => string.Concat(name.Split('_').Select(word => char.ToUpperInvariant(word[0]) + word[1..]));
}

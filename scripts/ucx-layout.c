/*
 * Prints what src/Conclave.Transport/Ucx takes for granted about UCX: sizes and offsets of structures, and the values of constants. A test compares the
 * table with the C# declarations; the table is made again with
 *   cc scripts/ucx-layout.c -o /tmp/ucx-layout && /tmp/ucx-layout > tests/data/transport/ucx-layout.txt      (Debian: libucx-dev)
 */
#include <stddef.h>
#include <stdio.h>
#include <ucp/api/ucp.h>

#define SIZE(type) printf("%s size %zu\n", #type, sizeof(type))
#define FIELD(type, field) printf("%s.%s %zu\n", #type, #field, offsetof(type, field))
#define CONSTANT(name) printf("%s %llu\n", #name, (unsigned long long)(name))

int main(void)
{
    SIZE(ucs_status_t);

    SIZE(ucp_params_t);
    FIELD(ucp_params_t, field_mask);
    FIELD(ucp_params_t, features);
    FIELD(ucp_params_t, mt_workers_shared);
    FIELD(ucp_params_t, estimated_num_eps);

    SIZE(ucp_worker_params_t);
    FIELD(ucp_worker_params_t, field_mask);
    FIELD(ucp_worker_params_t, thread_mode);
    SIZE(ucs_cpu_set_t);

    SIZE(ucp_ep_params_t);
    FIELD(ucp_ep_params_t, field_mask);
    FIELD(ucp_ep_params_t, address);
    FIELD(ucp_ep_params_t, err_mode);
    FIELD(ucp_ep_params_t, err_handler);
    SIZE(ucp_err_handler_t);
    FIELD(ucp_err_handler_t, cb);
    FIELD(ucp_err_handler_t, arg);

    SIZE(ucp_request_param_t);
    FIELD(ucp_request_param_t, op_attr_mask);
    FIELD(ucp_request_param_t, flags);
    FIELD(ucp_request_param_t, cb);
    FIELD(ucp_request_param_t, datatype);
    FIELD(ucp_request_param_t, user_data);
    FIELD(ucp_request_param_t, recv_info);

    SIZE(ucp_tag_recv_info_t);
    FIELD(ucp_tag_recv_info_t, sender_tag);
    FIELD(ucp_tag_recv_info_t, length);

    SIZE(ucp_dt_iov_t);
    FIELD(ucp_dt_iov_t, buffer);
    FIELD(ucp_dt_iov_t, length);

    CONSTANT(UCP_FEATURE_TAG);
    CONSTANT(UCP_FEATURE_WAKEUP);
    CONSTANT(UCP_PARAM_FIELD_FEATURES);
    CONSTANT(UCP_PARAM_FIELD_MT_WORKERS_SHARED);
    CONSTANT(UCP_PARAM_FIELD_ESTIMATED_NUM_EPS);
    CONSTANT(UCP_WORKER_PARAM_FIELD_THREAD_MODE);
    CONSTANT(UCS_THREAD_MODE_SERIALIZED);
    CONSTANT(UCP_EP_PARAM_FIELD_REMOTE_ADDRESS);
    CONSTANT(UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE);
    CONSTANT(UCP_EP_PARAM_FIELD_ERR_HANDLER);
    CONSTANT(UCP_ERR_HANDLING_MODE_NONE);
    CONSTANT(UCP_ERR_HANDLING_MODE_PEER);
    CONSTANT(UCP_OP_ATTR_FIELD_CALLBACK);
    CONSTANT(UCP_OP_ATTR_FIELD_USER_DATA);
    CONSTANT(UCP_OP_ATTR_FIELD_DATATYPE);
    CONSTANT(UCP_OP_ATTR_FIELD_FLAGS);
    CONSTANT(UCP_OP_ATTR_FIELD_RECV_INFO);
    CONSTANT(UCP_EP_CLOSE_FLAG_FORCE);
    CONSTANT(UCP_DATATYPE_IOV);
    CONSTANT(ucp_dt_make_contig(1));
    CONSTANT(UCS_OK);
    CONSTANT(UCS_INPROGRESS);
    printf("UCS_ERR_MESSAGE_TRUNCATED %d\n", UCS_ERR_MESSAGE_TRUNCATED);
    return 0;
}

using Conclave.Testing;

namespace Conclave.Checkpoints.Tests;

internal static class TestModels
{
    public static string[] All { get; } =
    [
        Repository.Fable, Repository.Data("v2-greedy-bf16"), Repository.Data("v2-group-f32"), Repository.Data("v3-mtp-fp8"),
        Repository.Data("v3-nogroup-bf16"),
    ];
}

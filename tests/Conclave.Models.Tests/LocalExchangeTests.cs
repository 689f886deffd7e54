using Conclave.Kernels;
using Conclave.Primitives;
using CsCheck;

namespace Conclave.Models.Tests;

public sealed class LocalExchangeTests
{
    [Fact]
    public void DispatchSortsByExpertAndCombineSumsInExpertOrder()
    {
        using WorkerTeam team = new(2);
        Gen.Select(Gen.Int[1, 12], Gen.Int[0, 9], Gen.Int[1, 4], Gen.Int[0, 1_000_000]).Sample((experts, tokens, k, seed) =>
        {
            k = Math.Min(k, experts);
            Check(team, experts, tokens, k, new Random(seed));
        }, iter: 200, threads: 1);
    }

    private static unsafe void Check(WorkerTeam team, int experts, int tokens, int k, Random random)
    {
        const int Hidden = 5;
        using NativeBuffer hiddenBuffer = NativeBuffer.ForF32(tokens, Hidden, out TensorView hidden);
        using NativeBuffer outputBuffer = NativeBuffer.ForF32(tokens, Hidden, out TensorView output);
        int[] chosen = new int[tokens * k];
        float[] weights = new float[tokens * k];
        for (int token = 0; token < tokens; token++)
        {
            int[] picks = [.. Enumerable.Range(0, experts).OrderBy(_ => random.Next()).Take(k)];
            for (int i = 0; i < k; i++)
            {
                chosen[(token * k) + i] = random.Next(5) == 0 ? -1 : picks[i];
                weights[(token * k) + i] = random.NextSingle();
            }

            foreach (ref float x in hidden.RowF32(token))
            {
                x = random.NextSingle();
            }
        }

        LocalExchange exchange = new(experts, k, KernelSet.Supported[0], team);
        using ExchangeSlot slot = exchange.CreateSlot(tokens);
        fixed (int* chosenData = chosen)
        fixed (float* weightData = weights)
        {
            exchange.BeginDispatch(slot, 0, hidden, new Routing(chosenData, weightData, tokens, k));
            ExpertRows rows = exchange.FinishDispatch(slot, out TensorView input);
            Assert.Equal(chosen.Count(e => e >= 0), rows.Count);
            using NativeBuffer computedBuffer = NativeBuffer.ForF32(rows.Count, Hidden, out TensorView computed);

            // "Expert" e multiplies by e + 1.
            for (int expert = 0; expert < experts; expert++)
            {
                for (int row = rows.Offsets[expert]; row < rows.Offsets[expert + 1]; row++)
                {
                    for (int i = 0; i < Hidden; i++)
                    {
                        computed.RowF32(row)[i] = input.RowF32(rows.Sources[row])[i] * (expert + 1);
                    }
                }
            }

            exchange.BeginCombine(slot, computed);
            exchange.FinishCombine(slot, output);
        }

        for (int token = 0; token < tokens; token++)
        {
            for (int i = 0; i < Hidden; i++)
            {
                float expected = 0;
                foreach (int pick in Enumerable.Range(token * k, k).Where(p => chosen[p] >= 0).OrderBy(p => chosen[p]))
                {
                    expected = MathF.FusedMultiplyAdd(weights[pick], hidden.RowF32(token)[i] * (chosen[pick] + 1), expected);
                }

                Assert.Equal(expected, output.RowF32(token)[i]);
            }
        }
    }
}
